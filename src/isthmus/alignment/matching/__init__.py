"""The matching problem and how it is descended: steps, circuits, signs, polish."""
