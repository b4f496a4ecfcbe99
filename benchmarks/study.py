"""Part (d): the whole study, stage by stage: four networks, 200 photos, 5 folds, a report.

In:  the drawn sample set.
Out: cases; each gives seconds in all and per stage.
"""

from functools import partial
from pathlib import Path

from benchmarks.cases import (
    OUT,
    Case,
    Settings,
    Values,
    manylabel_command,
    manylabel_environment,
)
from manylabel.data.sample import write_sample
from manylabel.results import RESULTS_FILE, RunResults

N_PHOTOS = 200

JUDGED_VARIANT = "frozen, 224 px, 4 views"
VARIANTS: dict[str, tuple[str, ...]] = {
    "demo": ("--recipe", "demo", "--folds", "5"),
    JUDGED_VARIANT: (
        *("--recipe", "demo", "--set", "model.side_px=224", "--set", "training.n_views=4"),
        *("--folds", "5"),
    ),
}
"""Ways to run the study: what is added to ``manylabel compare PHOTOS LABELS``."""


def list_cases(settings: Settings) -> list[Case]:
    """List the ways to run the study."""
    return [_case(settings, variant) for variant in VARIANTS]


def sample_folder(settings: Settings) -> Path:
    """Return where ``write_sample_set`` puts the sample set."""
    return settings.work / "postcards"


def write_sample_set(settings: Settings) -> None:
    """Write the sample set once."""
    if not sample_folder(settings).exists():
        write_sample(sample_folder(settings), n_photos=N_PHOTOS)


def _case(settings: Settings, variant: str) -> Case:
    folder = sample_folder(settings)
    return Case(
        key={"variant": variant},
        command=manylabel_command(
            settings,
            *("compare", str(folder / "images"), str(folder / "labels.csv")),
            *VARIANTS[variant],
            *("--out", f"{OUT}/run"),
        ),
        environment=manylabel_environment(),
        read=read_stages,
        packages=("manylabel", "openvino", "torch", "torchvision", "numpy", "pillow"),
        prepare=partial(write_sample_set, settings),
    )


def read_stages(out: Path) -> Values:
    """Read the seconds per stage, under ``"<network>: <stage>"`` for those of a network, and the best mAP."""
    results = RunResults.from_json((out / "run" / RESULTS_FILE).read_bytes())
    stages = dict(results.run.stage_seconds)
    for model in results.models:
        stages |= {f"{model.model}: {stage}": seconds for stage, seconds in model.stage_seconds.items()}
    return {**stages, "best_mAP": max(model.metrics["mAP"] or 0.0 for model in results.models)}
