"""Many models moved into one universe."""
