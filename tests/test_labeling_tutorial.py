"""The tutorial of the labeling page, step by step, in a real browser; with 60 photos instead of 200."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.config import DataConfig
from manylabel.data.formats import read_table, read_table_as
from manylabel.data.sample import write_sample
from manylabel.types import LabelTable
from tests.serving.conftest import browser  # noqa: F401 - a fixture

pytest.importorskip("openvino")

ROOT = Path(__file__).parents[1]
PROGRAM = "from manylabel.cli.main import main; main()"
N_PHOTOS, N_BY_KEYS = 60, 14
MOST_MS = 120_000


def tutorial() -> str:
    return (ROOT / "docs" / "labeling_tutorial.md").read_text(encoding="utf-8")


@pytest.fixture
def page(browser: Any, empty_folder: Path) -> Iterator[Any]:  # noqa: F811 - the fixture
    """Do steps 1 and 2."""
    sample, app = re.findall(r"^ +(manylabel .*)$", tutorial(), re.MULTILINE)
    assert sample == "manylabel sample postcards"
    write_sample("postcards", n_photos=N_PHOTOS)
    words = [sys.executable, "-c", PROGRAM, *app.split()[1:], "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(MOST_MS)
        page.goto(server.stdout.readline().split()[2])
        page.wait_for_selector("#photo[style*='visible']")
        yield page
        page.close()
        server.terminate()
        server.wait(60)
        assert server.returncode in (0, -15)


def add_labels(page: Any) -> list[str]:
    """Do step 3."""
    [step] = re.findall(r"\*\*Add the labels\.\*\*(.*?)\n\n", tutorial(), re.DOTALL)
    labels = re.findall(r"`(\w+)`", step)
    for label in labels:
        page.locator("#new-label").fill(label)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#labels .answer[data-label='{label}']")
    page.locator("#new-label").focus()
    page.keyboard.press("Escape")
    return labels


def label_by_keys(page: Any, truth: LabelTable, labels: list[str], *, n_photos: int) -> int:
    """Do steps 4 and 5: make the answers those of the truth; return how many labels were preselected."""
    n_suggested = 0
    for _ in range(n_photos):
        name = page.locator("#name").inner_text()
        page.wait_for_timeout(800)  # suggestions have to be seen
        targets = truth.targets[truth.names.index(name)]
        present = {truth.labels[column] for column in np.flatnonzero(targets == 1)}
        n_suggested += page.locator("#labels .answer.suggested").count()
        for key, label in zip("1234567890", labels, strict=True):
            button = page.locator(f"#labels .answer[data-label='{label}']")
            classes = button.get_attribute("class").split()
            if ("present" in classes or "suggested" in classes) != (label in present):
                page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_function("name => document.getElementById('name').textContent !== name", arg=name)
        page.wait_for_selector("#photo[style*='visible']")
    return n_suggested


def finish_in_the_grid(page: Any, labels: list[str]) -> None:
    """Do step 6, without a look at the photos."""
    page.keyboard.press("g")
    page.locator("#grid-order").select_option("probable")
    for label in labels:
        page.locator("#grid-label").select_option(label)
        page.wait_for_selector("#rest:enabled")
        page.locator("#rest").click()
        page.wait_for_selector("#rest:disabled")


def use(page: Any) -> None:
    """Do step 9."""
    page.locator("#models button.use-model").click()
    page.wait_for_selector("#use-model:has-text('model 1, efficientnet_lite0')")
    page.locator("#start-use").click()
    page.wait_for_selector("#use-state:has-text('is in use')")
    frame = page.frame_locator("#use-frame")
    frame.locator("#files").set_input_files("postcards/images/0001.jpg")
    frame.locator(".card figcaption:has-text('0001.jpg')").wait_for()
    for button in ("#export-onnx", "#export-csv"):
        page.locator(button).click()
        page.wait_for_selector(f"{button}:disabled")
        page.wait_for_selector(f"{button}:enabled")
    assert page.locator("#exports a:visible").count() == 2


def test_an_unlabeled_folder_becomes_a_trained_model(page: Any) -> None:
    truth = read_table(Path("postcards/labels.csv"), photos=Path("postcards/images"))
    steps = re.findall(r"^\d\. \*\*(.*?)\.\*\*", tutorial(), re.MULTILINE)
    assert len(steps) == 7

    labels = add_labels(page)
    assert sorted(labels) == sorted(truth.labels)
    assert label_by_keys(page, truth, labels, n_photos=10) == 0
    page.wait_for_selector("#learning:has-text('learned from 10 photos')")
    page.locator("#queue").select_option("suggested")
    page.locator("#queue").blur()
    page.wait_for_selector("#photo[style*='visible']")
    assert label_by_keys(page, truth, labels, n_photos=N_BY_KEYS - 10) > 0
    finish_in_the_grid(page, labels)

    page.keyboard.press("g")
    page.wait_for_selector("#queue option:has-text('photos to label (0)')", state="attached")
    page.locator("#queue").select_option("issues")
    page.locator("#open-train").click()
    page.locator("#start-training").click()
    page.wait_for_selector("#training-state:has-text('model 1 was trained in')")
    assert "efficientnet_lite0" in page.locator("#models tbody tr").inner_text()
    page.frame_locator("#report").locator("h1").wait_for()
    bundle = Path("postcards/images.models/model 1/models/efficientnet_lite0")
    assert (bundle / "weights.safetensors").is_file()
    use(page)
    assert (bundle / "model.onnx").is_file()


def test_what_was_labeled_by_keys_is_in_the_table(page: Any) -> None:
    truth = read_table(Path("postcards/labels.csv"), photos=Path("postcards/images"))
    labels = add_labels(page)
    label_by_keys(page, truth, labels, n_photos=3)
    page.wait_for_selector("#table:has-text('Saved in mine.csv.')")

    config = DataConfig(labels="mine.csv", photos="postcards/images")
    written = read_table_as(config, Path("mine.csv"), photos=Path("postcards/images"), purpose="checking")
    for name in written.names:
        row, other = written.names.index(name), truth.names.index(name)
        given = dict(zip(written.labels, written.targets[row], strict=True))
        assert given == dict(zip(truth.labels, truth.targets[other], strict=True))
