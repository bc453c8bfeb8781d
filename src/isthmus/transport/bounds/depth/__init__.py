"""How wide deep networks must be: a recursion in numbers too large for floats."""
