"""What the tests, the demo and the examples share; it ships with the package."""
