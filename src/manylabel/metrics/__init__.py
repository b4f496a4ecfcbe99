"""What predictions are worth: metrics, curves, confidence intervals."""
