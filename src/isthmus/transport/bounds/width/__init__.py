"""How gaps fall with the width: fits, the width an error needs, dropout stability."""
