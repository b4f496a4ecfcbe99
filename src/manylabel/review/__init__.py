"""What to look at next: label issues, nearest neighbors, photos worth labeling."""
