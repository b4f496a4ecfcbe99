"""Scoring of any number of photos, in parts, on one or several machines."""

from manylabel.cluster.scorer import Scorer as Scorer
