"""Scoring of any number of photos, in parts, on one or several machines."""
