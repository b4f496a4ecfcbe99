"""Part (c): one photo, from pixels to probabilities, through the study's four networks.

In:  nothing; the networks have random weights and the heads of the study.
Out: cases, one per network and engine.
"""

from functools import partial

from benchmarks.cases import Case, Settings, manylabel_environment, worker_command
from benchmarks.workers.common import read_values

NETWORKS = ("vgg16", "googlenet", "resnet50", "vit_b_16")
ENGINES = ("torch fp32", "torch bf16", "OpenVINO", "OpenVINO int8")
PACKAGES = ("manylabel", "openvino", "nncf", "torch", "torchvision", "numpy")


def list_cases(settings: Settings) -> list[Case]:
    """List every engine for every network."""
    case = partial(_case, settings)
    return [case(network, engine) for network in NETWORKS for engine in ENGINES]


def _case(settings: Settings, network: str, engine: str) -> Case:
    words = ("--network", network, "--engine", engine, "--work", str(settings.work))
    return Case(
        key={"network": network, "engine": engine},
        command=worker_command(settings, "one_photo", *words),
        environment=manylabel_environment(),
        read=read_values,
        packages=PACKAGES,
    )
