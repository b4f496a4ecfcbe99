"""Judge scores and decisions against the truth, and turn scores into decisions."""
