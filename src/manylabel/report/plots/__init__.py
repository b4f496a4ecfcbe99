"""Plots of a run, each one function from results to a figure."""
