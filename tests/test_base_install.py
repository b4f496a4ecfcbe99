"""The base install: no torch, small, and quick to start."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from manylabel.exporters.registry import export

ROOT = Path(__file__).parents[1]
MOST_MB = 700

pytestmark = [pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install manylabel without extras into an environment of its own."""
    place = tmp_path_factory.mktemp("base") / "env"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([place / "bin" / "pip", "install", "--quiet", ROOT], check=True)
    return place


@pytest.fixture(scope="module")
def bundle(shapes_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an exported bundle."""
    copy = Path(shutil.copytree(shapes_bundle, tmp_path_factory.mktemp("bundle") / "shapes"))
    export(copy, "onnx")
    return copy


def run(environment: Path, *words: object, cache: Path) -> str:
    """Run manylabel as it was installed there; return what it printed."""
    done = subprocess.run(
        [environment / "bin" / "manylabel", *map(str, words)],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(cache), "MANYLABEL_CACHE": str(cache)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_no_torch_and_little_else(environment: Path) -> None:
    packages = next((environment / "lib").iterdir()) / "site-packages"
    assert not list(packages.glob("torch*"))
    before = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file()) / 1e6
    shown = subprocess.run([environment / "bin" / "pip", "list"], capture_output=True, text=True, check=True)
    assert before <= MOST_MB, f"{before:.0f} MB: {shown.stdout}"


def test_data_are_checked_photos_scored_and_explained(
    environment: Path, bundle: Path, shapes_bundle: Path, tmp_path: Path
) -> None:
    images, labels = shapes_bundle.parent / "images", shapes_bundle.parent / "labels.csv"
    assert "32 photos with 3 labels" in run(environment, "check", images, labels, cache=tmp_path)
    run(environment, "predict", bundle, images, "--out", tmp_path / "said.csv", cache=tmp_path)
    assert len((tmp_path / "said.csv").read_text(encoding="utf-8").splitlines()) == 33
    evaluated = run(environment, "evaluate", bundle, images, labels, "--part", "all", cache=tmp_path)
    assert "Evaluated on 32 photos (OpenVINO" in evaluated
    run(environment, "explain", bundle, images / "07.png", "--out", tmp_path / "why", cache=tmp_path)
    assert (tmp_path / "why" / "index.html").is_file()


def test_what_needs_torch_says_so(
    environment: Path, bundle: Path, shapes_bundle: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [environment / "bin" / "manylabel", "predict", shapes_bundle, shapes_bundle.parent / "images"],
        capture_output=True,
        text=True,
        env={"PATH": "", "HOME": str(tmp_path), "MANYLABEL_CACHE": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 2
    assert "pip install '.[train]' in a clone of manylabel" in done.stderr
    assert "export --to onnx" in done.stderr


def test_a_bundle_is_served(environment: Path, bundle: Path, shapes_bundle: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [environment / "bin" / "manylabel", "serve", bundle, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "", "HOME": str(tmp_path), "MANYLABEL_CACHE": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        request = urllib.request.Request(
            f"{found[0]}/predict", data=(shapes_bundle.parent / "images" / "00.png").read_bytes()
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.loads(answer.read())["photos"][0]["error"] is None
    finally:
        process.terminate()
        process.communicate(timeout=30)
