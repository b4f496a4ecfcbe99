"""The page in which people label photos."""
