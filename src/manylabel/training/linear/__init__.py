"""Linear heads, solved instead of trained."""
