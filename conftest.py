"""What every test needs, those in docstrings under src too."""

from pathlib import Path

import pytest

# They import what is installed in an environment of its own only.
collect_ignore_glob = ["benchmarks/peers/[!_c]*.py"]


@pytest.fixture(autouse=True)
def feature_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty feature cache of its own, away from the user's."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("MANYLABEL_CACHE", str(cache))
    return cache
