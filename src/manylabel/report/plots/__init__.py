"""Plots of a run, each one function from facts to a figure."""
