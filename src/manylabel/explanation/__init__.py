"""Show what a network looked at, and which photos look alike to it."""
