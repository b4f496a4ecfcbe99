"""Part (j): what labeling with suggestions is worth, and what people wait for.

In:  the drawn sample set, real photos; the truth in place of a person.
Out: cases: orders of labeling, repaired labels, a page in a real browser.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.cases import Case, Settings, manylabel_environment, worker_command
from benchmarks.study import sample_folder, write_sample_set
from benchmarks.workers.common import read_values

SETS = ("postcards", "scenes_160")
REPAIR, PAGE = "possible mistakes", "in a browser"
PACKAGES = ("manylabel", "openvino", "torch", "timm", "numpy", "pillow")


def list_cases(settings: Settings) -> list[Case]:
    """List the orders on two sets, the repair, the page."""
    orders = [_case(settings, f"order, {name}", "labeling_order", name) for name in SETS]
    repair = _case(settings, REPAIR, "label_repair", "scenes_160")
    return [*orders, repair, _case(settings, PAGE, "labeling_page", "postcards", more=("playwright",))]


def _case(settings: Settings, work: str, worker: str, name: str, *, more: Sequence[str] = ()) -> Case:
    photos, labels = _files(settings, name)
    return Case(
        key={"work": work},
        command=worker_command(settings, worker, "--photos", str(photos), "--labels", str(labels)),
        environment=manylabel_environment(str(settings.work / "cache")),
        read=read_values,
        packages=(*PACKAGES, *more),
        prepare=partial(write_sample_set, settings),
    )


def _files(settings: Settings, name: str) -> tuple[Path, Path]:
    """Return photos and table of a set."""
    if name == "postcards":
        return sample_folder(settings) / "images", sample_folder(settings) / "labels.csv"
    folder = settings.data / name.removesuffix("_160")
    return folder / "images", folder / "labels_160.csv"
