"""A model that learns while people label: a linear head, fitted again after every few answers."""
