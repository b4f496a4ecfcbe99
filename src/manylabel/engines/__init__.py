"""Predictors: photos in, scores out, one file per engine."""
