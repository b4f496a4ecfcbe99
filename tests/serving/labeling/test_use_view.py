"""People use a model on the labeling page, in a real browser."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from manylabel.annotation.label_store import LabelStore
from manylabel.serving.labeling.app import create_labeling_app
from manylabel.serving.labeling.state import LabelingState
from manylabel.types import LabelTable
from tests.serving.conftest import listening
from tests.serving.labeling.conftest import TOKEN
from tests.serving.labeling.one_model import OneModel

pytest.importorskip("openvino")


@pytest.fixture
def page(browser: Any, photos: Path, shapes_bundle: Path) -> Iterator[Any]:
    """Open the page with one trained model; whatever its console complains about fails the test."""
    models = OneModel(photos.parent / "photos.models", shapes_bundle)
    with LabelStore(photos) as store:
        state = LabelingState(store, author="Ada", token=TOKEN, models=models)
        with listening(create_labeling_app(state)) as (host, port):
            page = browser.new_page(viewport={"width": 1100, "height": 900})
            complaints: list[str] = []
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"http://{host}:{port}/?token={TOKEN}")
            page.get_by_role("button", name="Use", exact=True).click()
            page.wait_for_selector("#use-state:has-text('Choose a model')")
            yield page
            page.close()
        state.close()
    assert complaints == []


def use(page: Any) -> Any:
    """Use the model with the keyboard; return the frame once it shows thresholds."""
    page.locator("#start-use").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#use-state:has-text('is in use')", timeout=60_000)
    frame = page.frame_locator("#use-frame")
    frame.locator("#sliders li").first.wait_for()
    return frame


def test_photos_are_scored_in_the_frame_without_a_token(page: Any, shapes_table: LabelTable) -> None:
    frame = use(page)
    assert not frame.locator("#token-form").is_visible()
    assert not frame.locator("footer").is_visible()

    frame.locator("#files").set_input_files(str(shapes_table.photos[0]))
    frame.locator("#status:has-text('1 photo scored')").wait_for()
    frame.locator(".card .labels button").first.click()
    frame.locator(".card .layer[src^='data:image/png']").wait_for()

    assert page.locator("#serve-command").text_content().startswith("manylabel serve ")


DROP = """(encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
    document.body.dispatchEvent(
        new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
}"""


def test_photos_that_are_dropped_beside_the_frame_are_scored(page: Any, shapes_table: LabelTable) -> None:
    frame = use(page)
    page.evaluate(DROP, base64.b64encode(shapes_table.photos[0].read_bytes()).decode())

    frame.locator(".card figcaption:has-text('dropped.png')").wait_for()


def test_an_export_is_cancelled(page: Any, tmp_path: Path) -> None:
    page.locator("#export-csv").click()
    page.locator("#cancel-export").click()

    page.wait_for_selector(
        "#status:has-text('Predictions for all photos of model 1, squeezenet1_1: cancelled.')"
    )
    assert not page.is_visible("#cancel-export")
    assert not list((tmp_path / "photos.models").rglob("predictions_*.csv"))
    assert page.is_enabled("#export-csv")


def test_a_model_whose_process_died_is_told_and_started_again(page: Any) -> None:
    use(page)
    for child in psutil.Process().children():
        if "manylabel.serving.labeling.use_process" in child.cmdline():
            child.kill()

    page.wait_for_selector("#use-state.problem:has-text('ended (exit code -9)')")
    use(page)


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_the_view_has_no_barriers(
    scheme: str, width: int, page: Any, find_barriers: Callable[[Any], list[str]]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    use(page)
    page.locator("#serve summary").click()

    assert find_barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_predictions_for_all_photos_are_offered(page: Any) -> None:
    page.get_by_role("button", name="Predict all photos (CSV)").click()
    page.wait_for_selector("#exports a:not([hidden])", timeout=60_000)
    with page.expect_download() as waiting:
        page.locator("#exports a:visible").click()

    assert Path(waiting.value.path()).read_text().startswith("image,labels,error,circle")
    assert (
        page.locator("#exports li:visible")
        .inner_text()
        .startswith("Predictions for all photos: photos.models/model 1/predictions_squeezenet1_1.csv")
    )
