"""The data of a run: photos, tables of labels, and their split for training and evaluation."""
