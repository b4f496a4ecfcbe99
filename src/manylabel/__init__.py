"""Turn a folder of photos and a table of labels into a multi-label image classifier."""

__version__ = "0.1.0"
