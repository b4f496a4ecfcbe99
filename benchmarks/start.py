"""Part (g): how long a command takes from a cold process, so mostly how long its libraries take to load.

In:  one photo, a bundle with an exported form.
Out: cases: two commands of manylabel, and what every script with torch pays before its first line of work.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks.cases import Case, Settings, manylabel_command, manylabel_environment, worker_command
from benchmarks.throughput import NETWORK, bundle_of, make_bundle, small_photos
from benchmarks.workers.common import read_values
from manylabel.data.find import find_photos

HELP, PREDICT = "manylabel --help", "manylabel predict, one photo"
TORCH = "python, importing torch and torchvision"
PACKAGES = ("manylabel", "openvino", "numpy", "pillow", "torch", "torchvision")


def list_cases(settings: Settings) -> list[Case]:
    """List the commands."""
    bundle = str(bundle_of(settings, NETWORK))
    photo = str(find_photos(small_photos(settings))[0])
    case = partial(_case, settings)
    return [
        case(HELP, manylabel_command(settings, "--help")),
        case(PREDICT, manylabel_command(settings, "predict", bundle, photo)),
        case(TORCH, [str(settings.python), "-c", "import torch, torchvision"]),
    ]


def _case(settings: Settings, command: str, words: Sequence[str]) -> Case:
    return Case(
        key={"command": command},
        # Behind two dashes, the options of a command are not those of the worker.
        command=[*worker_command(settings, "cold_start"), "--", *words],
        environment=manylabel_environment(),
        read=read_values,
        packages=PACKAGES,
        prepare=partial(make_bundle, settings, NETWORK),
    )
