"""Show what a model looked at, and which photos are similar to it."""
