"""What every test needs, those in docstrings under src too."""

import os
from pathlib import Path

import pytest

# They import what is installed in an environment of its own only.
collect_ignore_glob = ["benchmarks/peers/[!_c]*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Hide GPUs from all tests but those of ``-m gpu``: what leaves the device open expects that of a CPU."""
    if config.getoption("markexpr") != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(autouse=True)
def feature_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty feature cache of its own, away from the user's."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("MANYLABEL_CACHE", str(cache))
    return cache
