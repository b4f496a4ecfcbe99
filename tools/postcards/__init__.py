"""Postcards from a lake city: drawn pictures with known labels and known places."""
