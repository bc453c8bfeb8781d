"""Two models layer by layer: distances, dimensions, rates."""
