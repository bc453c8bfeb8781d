"""Groups and orbits: how many components the group has, and what it makes of given params."""
