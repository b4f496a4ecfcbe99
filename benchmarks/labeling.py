"""Part (j): what labeling with suggestions is worth, and what people wait for.

In:  the drawn sample set, real photos; the truth in place of a person.
Out: cases: orders of labeling, repaired labels, a page in a real browser.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks.cases import Case, Settings, manylabel_environment, worker_command
from benchmarks.study import sample_folder, write_sample_set
from benchmarks.workers.common import read_values

SETS = ("postcards", "scenes_160")
REPAIR, PAGE, GRID = "possible mistakes", "in a browser", "grid of 20,000 photos"
PACKAGES = ("manylabel", "openvino", "torch", "timm", "numpy", "pillow")


def list_cases(settings: Settings) -> list[Case]:
    """List the orders on two sets, the repair, the page, its grid."""
    files = {name: _files(settings, name) for name in SETS}
    orders = [_case(settings, f"order, {name}", "labeling_order", files[name]) for name in SETS]
    repair = _case(settings, REPAIR, "label_repair", files["scenes_160"])
    page = _case(settings, PAGE, "labeling_page", files["postcards"], more=("playwright",))
    photos = ["--photos", str(sample_folder(settings) / "images")]
    grid = _case(settings, GRID, "labeling_grid", photos, more=("playwright",))
    return [*orders, repair, page, grid]


def _case(
    settings: Settings, work: str, worker: str, files: Sequence[str], *, more: Sequence[str] = ()
) -> Case:
    return Case(
        key={"work": work},
        command=worker_command(settings, worker, *files),
        environment=manylabel_environment(str(settings.work / "cache")),
        read=read_values,
        packages=(*PACKAGES, *more),
        prepare=partial(write_sample_set, settings),
    )


def _files(settings: Settings, name: str) -> list[str]:
    """Return the arguments for photos and table of a set."""
    if name == "postcards":
        folder, table = sample_folder(settings), "labels.csv"
    else:
        folder, table = settings.data / name.removesuffix("_160"), "labels_160.csv"
    return ["--photos", str(folder / "images"), "--labels", str(folder / table)]
