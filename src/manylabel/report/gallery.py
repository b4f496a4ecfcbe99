"""Choose photos that teach something about a model or about the labels, and shrink them for a page.

In:  the table, what the model says about photos that it did not learn from, the training photos that look
     most similar to them, and what a check found.
Out: photos in three groups (right, missed, wrong), each with its labels and their scores, and which of these
     stand under it; photos that are copies of each other; JPEG thumbnails.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from manylabel.data.check import Check
from manylabel.data.photos import open_photo, to_jpeg
from manylabel.metrics.resamples import BoolArray
from manylabel.results import GalleryPhoto, NearDuplicate, NearDuplicateGroup, ScoredLabel, SimilarPhoto
from manylabel.trials import EvaluatedPhotos, NeighborPredictions
from manylabel.types import FloatArray, IntArray, LabelTable, Part, Split

_N_PER_GROUP = 8
_N_PER_LABEL = 2
_N_OTHERS = 3
Kind = Literal["right", "missed", "wrong", "unknown"]
"""Labels of a photo by what the model decided: given and present, not given but present, given but absent,
given where nobody knows."""

BOX_PX, SMALL_BOX_PX = (320, 240), (160, 120)
"""Widest and highest that a photo of the page is, and one that stands beside it."""

_JPEG_QUALITY = 78
_COPY_KINDS = ("copies_differ", "leak", "exact_copies", "near_copies")
_MOST_COPY_GROUPS = 6
_MOST_COPIES = 4


def choose_photos(
    table: LabelTable, evaluated: EvaluatedPhotos, neighbors: NeighborPredictions | None = None
) -> tuple[GalleryPhoto, ...]:
    """Choose photos that show what a model does well, what it misses and what it makes up.

    "right" holds photos with every label right, chosen so that many labels appear; "missed" those with the
    lowest scores of present labels that were not given; "wrong" those with the highest scores of given labels
    that are absent. No photo appears twice, and no label fills a group while others wait.

    Args:
        table: Which photo carries which label.
        evaluated: Scores and decisions of one model.
        neighbors: Knows which training photos look like those with mistakes; not given: none are told.

    Returns:
        At most 24 photos.
    """
    targets = table.targets[evaluated.rows]
    is_missed = (targets == 1) & ~evaluated.decisions
    is_wrong = (targets == 0) & evaluated.decisions
    is_right = ~np.isnan(targets).all(axis=1) & ~is_missed.any(axis=1) & ~is_wrong.any(axis=1)
    missed = _pick_worst(is_missed, -evaluated.scores, taken=())
    return (
        *(
            _gallery_photo(table, evaluated, chosen, "right")
            for chosen in _pick_varied(is_right, targets == 1)
        ),
        *(_gallery_photo(table, evaluated, chosen, "missed", neighbors) for chosen in missed),
        *(
            _gallery_photo(table, evaluated, chosen, "wrong", neighbors)
            for chosen in _pick_worst(is_wrong, evaluated.scores, taken=missed)
        ),
    )


def labels_to_show(photo: GalleryPhoto) -> tuple[list[tuple[Kind, ScoredLabel]], int]:
    """Choose what stands under a photo: every mistake, the gravest first, and the surest of the other labels.

    Args:
        photo: A photo of the gallery.

    Returns:
        At most 3 labels beside the mistakes, each with its kind; and how many are left out.

    Examples:
        >>> scores = {"a": 0.6, "b": 0.9, "c": 0.7, "d": 0.8}
        >>> scored = [ScoredLabel(label=name, score=score) for name, score in scores.items()]
        >>> photo = GalleryPhoto(row=0, name="a.jpg", group="wrong", right=tuple(scored), missed=(),
        ...     wrong=(ScoredLabel(label="e", score=0.7),), unknown=(), similar=())
        >>> shown, n_left = labels_to_show(photo)
        >>> [f"{kind} {scored.label}" for kind, scored in shown], n_left
        (['wrong e', 'right b', 'right d', 'right c'], 1)
    """
    missed = sorted(photo.missed, key=lambda scored: scored.score)
    wrong = sorted(photo.wrong, key=lambda scored: -scored.score)
    others: list[tuple[Kind, ScoredLabel]] = [("right", scored) for scored in photo.right]
    others += [("unknown", scored) for scored in photo.unknown]
    others.sort(key=lambda other: -other[1].score)
    mistakes: list[tuple[Kind, ScoredLabel]] = [("missed", scored) for scored in missed]
    mistakes += [("wrong", scored) for scored in wrong]
    return [*mistakes, *others[:_N_OTHERS]], len(others[_N_OTHERS:])


def choose_near_duplicates(table: LabelTable, split: Split, check: Check) -> tuple[NearDuplicateGroup, ...]:
    """Choose groups of near-duplicates: with different labels first, then on both sides of the split.

    Args:
        table: Which photo carries which label.
        split: Has the groups.
        check: Found that near-duplicates are there.

    Returns:
        At most 6 groups of at most 4 photos.
    """
    if split.groups is None:
        return ()
    found = [
        row
        for kind in _COPY_KINDS
        for finding in check.findings
        if finding.kind == kind
        for row in finding.photos
    ]
    numbers = dict.fromkeys(split.groups[found].tolist() if found else [])
    groups = [np.flatnonzero(split.groups == number) for number in [*numbers][:_MOST_COPY_GROUPS]]
    return tuple(_near_duplicates(table, split, rows[:_MOST_COPIES]) for rows in groups if len(rows) > 1)


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


def _near_duplicates(table: LabelTable, split: Split, rows: IntArray) -> NearDuplicateGroup:
    targets = table.targets[rows]
    contested = np.flatnonzero((targets == 1).any(axis=0) & (targets == 0).any(axis=0))
    parts: dict[Part, IntArray] = {"train": split.train, "val": split.val, "test": split.test}
    return NearDuplicateGroup(
        contested=tuple(table.labels[column] for column in contested),
        photos=tuple(
            NearDuplicate(
                row=row,
                name=table.names[row],
                part=next((part for part, members in parts.items() if row in members), None),
                present=tuple(
                    table.labels[column] for column in contested if table.targets[row, column] == 1
                ),
            )
            for row in rows.tolist()
        ),
    )


def _gallery_photo(
    table: LabelTable,
    evaluated: EvaluatedPhotos,
    position: int,
    group: Literal["right", "missed", "wrong"],
    neighbors: NeighborPredictions | None = None,
) -> GalleryPhoto:
    row = int(evaluated.rows[position])
    targets, decisions = table.targets[row], evaluated.decisions[position]

    def scored(mask: BoolArray) -> tuple[ScoredLabel, ...]:
        return tuple(
            ScoredLabel(label=table.labels[column], score=round(float(evaluated.scores[position, column]), 4))
            for column in np.flatnonzero(mask)
        )

    return GalleryPhoto(
        row=row,
        name=table.names[row],
        group=group,
        right=scored((targets == 1) & decisions),
        missed=scored((targets == 1) & ~decisions),
        wrong=scored((targets == 0) & decisions),
        unknown=scored(np.isnan(targets) & decisions),
        similar=() if neighbors is None else tuple(_similar_photos(table, neighbors, row)),
    )


def _similar_photos(table: LabelTable, neighbors: NeighborPredictions, row: int) -> Iterator[SimilarPhoto]:
    """Yield the training photos that look most like one, with the labels that they carry."""
    for other in neighbors.similar[neighbors.rows == row].ravel().tolist():
        yield SimilarPhoto(row=other, name=table.names[other], labels=table.name_labels(other))


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
