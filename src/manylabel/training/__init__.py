"""Training: views of photos, cached features of a frozen backbone, losses, the loop."""
