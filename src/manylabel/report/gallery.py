"""Choose photos that teach something about a model or about the labels, and shrink them for a page.

In:  the table, what the model says about photos that it did not learn from, the training photos that look
     most alike to them, and what a check found.
Out: photos in three groups (right, missed, wrong), each with its labels and their scores, and which of these
     stand under it; photos that are copies of each other; JPEG thumbnails.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from manylabel.data.check import Check
from manylabel.data.photos import open_photo
from manylabel.data.pictures import to_jpeg
from manylabel.metrics.resamples import BoolArray
from manylabel.types import EvaluatedPhotos, FloatArray, IntArray, LabelTable, NeighborPredictions, Split

_N_PER_GROUP = 8
_N_PER_LABEL = 2
_N_OTHERS = 3
_KINDS = ("right", "missed", "wrong", "unknown")
BOX_PX, SMALL_BOX_PX = (320, 240), (160, 120)
"""Widest and highest that a photo of the page is, and one that stands beside it."""

_JPEG_QUALITY = 78
_COPY_KINDS = ("copies_differ", "leak", "exact_copies", "near_copies")
_MOST_COPY_GROUPS = 6
_MOST_COPIES = 4


def choose_photos(
    table: LabelTable, evaluated: EvaluatedPhotos, neighbors: NeighborPredictions | None = None
) -> list[dict[str, Any]]:
    """Choose photos that show what a model does well, what it misses and what it makes up.

    "right" holds photos with every label right, chosen so that many labels appear; "missed" those with the
    lowest scores of present labels that were not given; "wrong" those with the highest scores of given labels
    that are absent. No photo appears twice, and no label fills a group while others wait.

    Args:
        table: Which photo carries which label.
        evaluated: Scores and decisions of one model.
        neighbors: Knows which training photos look like those with mistakes; not given: none are told.

    Returns:
        At most 24 photos, in the layout that ``facts.py`` describes.
    """
    targets = table.targets[evaluated.rows]
    is_missed = (targets == 1) & ~evaluated.decisions
    is_wrong = (targets == 0) & evaluated.decisions
    is_right = ~np.isnan(targets).all(axis=1) & ~is_missed.any(axis=1) & ~is_wrong.any(axis=1)
    missed = _pick_worst(is_missed, -evaluated.scores, taken=())
    groups = {
        "right": _pick_varied(is_right, targets == 1),
        "missed": missed,
        "wrong": _pick_worst(is_wrong, evaluated.scores, taken=missed),
    }
    return [
        {
            "group": group,
            **_describe_photo(table, evaluated, position),
            "similar": []
            if group == "right"
            else _describe_similar(table, neighbors, evaluated.rows[position]),
        }
        for group, positions in groups.items()
        for position in positions
    ]


def labels_to_show(photo: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Choose what stands under a photo: every mistake, the gravest first, and the surest of the other labels.

    Args:
        photo: A photo of the gallery, as ``facts.py`` describes it.

    Returns:
        At most 3 labels beside the mistakes, each with its kind, label and score; and how many are left out.

    Examples:
        >>> right = [{"label": name, "score": score} for name, score in zip("abcd", (0.6, 0.9, 0.7, 0.8))]
        >>> photo = {"missed": [], "wrong": [{"label": "e", "score": 0.7}], "right": right, "unknown": []}
        >>> shown, n_left = labels_to_show(photo)
        >>> [each["kind"] + " " + each["label"] for each in shown], n_left
        (['wrong e', 'right b', 'right d', 'right c'], 1)
    """
    of_kind = {kind: [{"kind": kind, **scored} for scored in photo[kind]] for kind in _KINDS}
    missed = sorted(of_kind["missed"], key=lambda scored: float(scored["score"]))
    wrong = sorted(of_kind["wrong"], key=lambda scored: -float(scored["score"]))
    others = sorted(of_kind["right"] + of_kind["unknown"], key=lambda scored: -float(scored["score"]))
    return [*missed, *wrong, *others[:_N_OTHERS]], len(others[_N_OTHERS:])


def choose_copies(table: LabelTable, split: Split, check: Check) -> list[dict[str, Any]]:
    """Choose groups of copies: those with different labels first, then those on both sides of the split.

    Args:
        table: Which photo carries which label.
        split: Knows which photos are copies of each other.
        check: Found that copies are there.

    Returns:
        At most 6 groups of at most 4 photos, in the layout that ``facts.py`` describes.
    """
    if split.groups is None:
        return []
    found = [
        row
        for kind in _COPY_KINDS
        for finding in check.findings
        if finding.kind == kind
        for row in finding.photos
    ]
    numbers = dict.fromkeys(split.groups[found].tolist() if found else [])
    groups = [np.flatnonzero(split.groups == number) for number in [*numbers][:_MOST_COPY_GROUPS]]
    return [_describe_copies(table, split, rows[:_MOST_COPIES]) for rows in groups if len(rows) > 1]


def make_thumbnail(path: Path, *, box_px: tuple[int, int] = BOX_PX) -> bytes:
    """Shrink a photo for a page.

    Args:
        path: The photo.
        box_px: Width and height into which it has to fit.

    Returns:
        A JPEG file.

    Raises:
        PhotoError: The photo cannot be read.
    """
    photo = open_photo(path, side_px=min(box_px))
    photo.thumbnail(box_px, Image.Resampling.LANCZOS)
    return to_jpeg(photo, quality=_JPEG_QUALITY)


def _describe_copies(table: LabelTable, split: Split, rows: IntArray) -> dict[str, Any]:
    targets = table.targets[rows]
    contested = np.flatnonzero((targets == 1).any(axis=0) & (targets == 0).any(axis=0))
    parts = {"train": split.train, "val": split.val, "test": split.test}
    return {
        "contested": [table.labels[column] for column in contested],
        "photos": [
            {
                "row": row,
                "name": table.names[row],
                "part": next((part for part, members in parts.items() if row in members), ""),
                "present": [table.labels[column] for column in contested if table.targets[row, column] == 1],
            }
            for row in rows.tolist()
        ],
    }


def _describe_photo(table: LabelTable, evaluated: EvaluatedPhotos, position: int) -> dict[str, Any]:
    row = int(evaluated.rows[position])
    targets, decisions = table.targets[row], evaluated.decisions[position]
    kinds = {
        "right": (targets == 1) & decisions,
        "missed": (targets == 1) & ~decisions,
        "wrong": (targets == 0) & decisions,
        "unknown": np.isnan(targets) & decisions,
    }
    scored = {
        kind: [
            {"label": table.labels[column], "score": round(float(evaluated.scores[position, column]), 4)}
            for column in np.flatnonzero(mask)
        ]
        for kind, mask in kinds.items()
    }
    return {"row": row, "name": table.names[row], **scored}


def _describe_similar(
    table: LabelTable, neighbors: NeighborPredictions | None, row: int
) -> list[dict[str, Any]]:
    """Describe the training photos that look most like one, with the labels that they carry."""
    if neighbors is None:
        return []
    similar = neighbors.similar[neighbors.rows == row].ravel()
    return [
        {"row": other, "name": table.names[other], "labels": table.name_labels(other)}
        for other in similar.tolist()
    ]


def _pick_worst(mistakes: BoolArray, severity: FloatArray, *, taken: Sequence[int]) -> list[int]:
    """Pick the photos with the worst mistakes, at first no more than two for the same label."""
    photos, columns = np.nonzero(mistakes)
    order = np.argsort(-severity[photos, columns], kind="stable")
    cells = [(int(photos[cell]), int(columns[cell])) for cell in order]
    picked: list[int] = []
    n_shown: Counter[int] = Counter()
    for limit in (_N_PER_LABEL, len(cells)):
        for photo, column in cells:
            is_new = photo not in picked and photo not in taken
            if is_new and n_shown[column] < limit and len(picked) < _N_PER_GROUP:
                picked.append(photo)
                n_shown[column] += 1
    return picked


def _pick_varied(eligible: BoolArray, present: BoolArray) -> list[int]:
    """Pick photos one by one: the one whose labels were shown least so far, then the one with most labels."""
    n_shown = np.zeros(present.shape[1])
    waiting = np.flatnonzero(eligible)
    picked: list[int] = []
    while len(waiting) and len(picked) < _N_PER_GROUP:
        # A label that was shown k times is worth 1 / 4**k, so a new one outweighs three that are known.
        worth = present[waiting] @ (0.25**n_shown)
        chosen = int(waiting[np.argmax(worth)])
        picked.append(chosen)
        n_shown += present[chosen]
        waiting = waiting[waiting != chosen]
    return picked
