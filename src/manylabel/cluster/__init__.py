"""Scoring and training on one or several machines."""

from manylabel.cluster.scorer import Scorer as Scorer
