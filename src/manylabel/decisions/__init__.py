"""From logits to decisions: calibration, thresholds, and what they promise."""
