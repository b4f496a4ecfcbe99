"""Files of predictions, one module per family of formats."""
