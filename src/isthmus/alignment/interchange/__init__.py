"""The field's own forms of symmetries and permutations."""
