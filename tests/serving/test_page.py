"""The page, as a person uses it, in a real browser."""

import base64
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from PIL import Image

from manylabel.bundle.folder import read_bundle
from manylabel.bundle.tables import change_thresholds, read_thresholds
from manylabel.serving.app import create_app
from manylabel.serving.served import ServedBundle
from manylabel.types import LabelTable
from tests.serving.conftest import listening

pytest.importorskip("openvino")
pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def url(shapes_bundle: Path) -> Iterator[str]:
    """Serve a bundle under two names."""
    app = create_app([ServedBundle(name, shapes_bundle) for name in ("shapes", "other")])
    with listening(app) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """Open the page; whatever its console complains about fails the test."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#sliders li")
    yield page
    page.close()
    assert complaints == []


def drop(page: Any, *photos: Path) -> None:
    """Give photos to the page, and wait until all are answered."""
    page.set_input_files("#files", [str(photo) for photo in photos])
    page.wait_for_selector("#status:has-text('scored')")


def test_photos_that_are_chosen_before_the_script_is_there_are_scored(
    browser: Any, url: str, shapes_table: LabelTable
) -> None:
    page = browser.new_page()
    held: list[Any] = []
    page.route("**/static/main.js", lambda route: held.append(route))
    with page.expect_request("**/static/main.js"):
        page.goto(url, wait_until="commit")
    page.set_input_files("#files", [str(shapes_table.photos[0])])
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    page.wait_for_selector("#status:has-text('1 photo scored')")
    page.close()


def test_photos_get_labels_with_probabilities(page: Any, shapes_table: LabelTable) -> None:
    drop(page, *shapes_table.photos[:5])
    cards = page.locator(".card")
    assert cards.count() == 5
    assert cards.nth(0).locator(".labels button").count() == 3
    assert page.locator("#status").inner_text().startswith("5 photos scored.")
    said = cards.nth(0).locator(".labels button").first.get_attribute("aria-label")
    assert "threshold" in said
    assert "given" in said


@pytest.mark.parametrize(("n_labels", "button"), [(4, None), (5, "All 5 labels")])
def test_no_button_hides_a_single_label(
    n_labels: int, button: str | None, page: Any, url: str, shapes_table: LabelTable
) -> None:
    labels = [{"name": f"label {number}", "threshold": 0.5} for number in range(n_labels)]
    photo = {"image": "a.jpg", "labels": [], "scores": {label["name"]: 0.25 for label in labels}}
    page.route("**/labels?*", lambda route: route.fulfill(json={"labels": labels}))
    page.route("**/predict?*", lambda route: route.fulfill(json={"photos": [photo]}))
    page.goto(url)
    page.wait_for_selector(f"#sliders li:nth-child({n_labels})")
    drop(page, shapes_table.photos[0])

    assert page.locator(".labels button").count() == (n_labels if button is None else 3)
    assert page.locator(".more").is_visible() == (button is not None)
    if button is not None:
        page.get_by_role("button", name=button).click()
        assert page.locator(".labels button").count() == n_labels


def test_a_moved_threshold_changes_what_is_given(page: Any, shapes_table: LabelTable) -> None:
    drop(page, shapes_table.photos[0])
    given = page.locator(".given")
    slider = page.get_by_role("slider", name="circle")
    slider.fill("0")
    assert "circle" in given.inner_text()
    slider.fill("100")
    assert "circle" not in given.inner_text()
    assert page.locator("#sliders li", has_text="circle").locator("output").inner_text() == "100 % · 0 of 1"
    page.get_by_role("button", name="Back to the model's").click()
    assert page.get_by_role("button", name="Back to the model's").is_disabled()


def test_a_label_shows_where_it_is(page: Any, shapes_table: LabelTable) -> None:
    drop(page, shapes_table.photos[7])
    row = page.locator('.labels button[data-label="square"]')
    row.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".layer:not([hidden])")
    assert page.evaluate("document.querySelector('.layer').naturalWidth") == 480
    assert "square" in page.locator(".explained").inner_text()
    assert row.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.dataset.label") == "square"
    plain = page.get_by_role("button", name="Plain photo")
    plain.click()
    assert not page.locator(".layer").is_visible()
    assert plain.get_attribute("aria-pressed") == "true"
    plain.click()
    assert page.locator(".layer").is_visible()
    row.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".layer[hidden]", state="attached")
    assert not plain.is_visible()
    assert page.locator(".explained").inner_text() == ""


def test_a_bad_photo_is_told_beside_the_others(page: Any, shapes_table: LabelTable, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    drop(page, tmp_path / "bad.jpg", shapes_table.photos[0])
    assert page.locator(".card.failed .given").inner_text().startswith("Not read: it is not a photo")
    assert "1 could not be read" in page.locator("#status").inner_text()
    assert page.locator(".card:not(.failed) .labels button").count() == 3


def test_a_photo_that_browsers_do_not_show_is_shown_as_the_server_read_it(
    page: Any, shapes_table: LabelTable, tmp_path: Path
) -> None:
    with Image.open(shapes_table.photos[0]) as photo:
        photo.save(tmp_path / "a.tiff")
    drop(page, tmp_path / "a.tiff", shapes_table.photos[1])
    page.wait_for_selector(".card img[src^='data:image/jpeg']")
    assert page.locator(".picture.unseen").count() == 0
    assert page.evaluate("document.querySelector('.card img').naturalWidth") > 0


def test_what_is_shown_is_downloaded(page: Any, shapes_table: LabelTable) -> None:
    drop(page, *shapes_table.photos[:3])
    page.get_by_role("slider", name="triangle").fill("0")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["image"] for row in rows] == [path.name for path in shapes_table.photos[:3]]
    assert all("triangle" in row["labels"].split(";") for row in rows)
    assert all(0 <= float(row["circle"]) <= 1 for row in rows)


def test_moved_thresholds_are_saved_for_predict(page: Any, shapes_bundle: Path) -> None:
    page.get_by_role("slider", name="triangle").fill("87")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download thresholds").click()

    old = read_bundle(shapes_bundle).thresholds
    new = change_thresholds(old, ("circle", "square", "triangle"), Path(waiting.value.path()))
    np.testing.assert_array_equal(new.values, [*old.values[:2], 0.87])
    assert waiting.value.suggested_filename == "thresholds.csv"


THRESHOLDS_TO_CSV = """async (thresholds) => {
    const { thresholdsToCsv } = await import("/static/csv.js");
    return thresholdsToCsv(new Map(thresholds));
}"""


def test_saved_thresholds_hold_no_formula_and_are_read_back(page: Any, tmp_path: Path) -> None:
    labels = ("=sea", 'the "old", bridge')
    text = page.evaluate(THRESHOLDS_TO_CSV, [[label, 0.25] for label in labels])
    assert text.splitlines()[1] == "'=sea,0.25"
    (tmp_path / "t.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")

    assert read_thresholds(tmp_path / "t.csv", labels).tolist() == [0.25, 0.25]


TO_CSV = """async ([photos, labels]) => {
    const { toCsv } = await import("/static/csv.js");
    return toCsv(photos, labels, (photo) => photo.labels);
}"""


def test_no_name_and_no_label_spoils_the_downloaded_table(page: Any) -> None:
    labels = ["error", "=sea", "error (score)"]
    photo = {
        "image": "=1+1.jpg",
        "labels": ["=sea"],
        "scores": {"error": 0.25, "=sea": 1, "error (score)": 0},
    }
    text = page.evaluate(TO_CSV, [[photo], labels])
    assert text.splitlines() == [
        "image,labels,error,error (score) (score),'=sea,error (score)",
        "'=1+1.jpg,'=sea,,0.25,1,0",
    ]


HAND_OVER = """([how, encoded]) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], "handed.png", { type: "image/png" }));
    const event = how === "drop"
        ? new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: given, bubbles: true });
    document.body.dispatchEvent(event);
}"""


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_photos_are_dropped_and_pasted(how: str, page: Any, shapes_table: LabelTable) -> None:
    encoded = base64.b64encode(shapes_table.photos[0].read_bytes()).decode()
    page.evaluate(HAND_OVER, [how, encoded])
    page.wait_for_selector("#status:has-text('scored')")
    assert page.locator(".card figcaption").inner_text() == "handed.png"
    assert page.locator(".card .labels button").count() == 3


COLOURS = """(selector) => {
    const element = document.querySelector(selector);
    const numbers = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    let behind = element;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)" && behind.parentElement)
        behind = behind.parentElement;
    return [numbers(getComputedStyle(element).color), numbers(getComputedStyle(behind).backgroundColor)];
}"""


def brightness(color: list[float]) -> float:
    """Return the relative luminance of a color, as WCAG 2.2 defines it."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (number / 255 for number in color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_by_day_and_by_night(
    scheme: str, browser: Any, url: str, shapes_table: LabelTable
) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(url)
    page.wait_for_selector("#sliders li")
    drop(page, shapes_table.photos[0])
    for selector in ("h1", "#status", "#sliders li", ".card figcaption", ".card .given", ".labels button"):
        ink, paper = map(brightness, page.evaluate(COLOURS, selector))
        assert (paper < 0.2) == (scheme == "dark"), selector
        # The contrast that WCAG 2.2 asks of small letters at level AA.
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, selector
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_has_no_barriers(
    scheme: str,
    width: int,
    page: Any,
    shapes_table: LabelTable,
    tmp_path: Path,
    find_barriers: Callable[[Any], list[str]],
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    assert find_barriers(page) == []
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    drop(page, *shapes_table.photos[:2], tmp_path / "bad.jpg")
    page.locator(".labels button").first.click()
    page.wait_for_selector(".layer:not([hidden])")

    assert find_barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_another_network_scores_the_photos_anew(page: Any, shapes_table: LabelTable) -> None:
    drop(page, shapes_table.photos[0])
    with page.expect_request("**/predict?model=other"):
        page.get_by_label("Model").select_option("other")


def test_everything_is_reached_by_keyboard(page: Any) -> None:
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id || document.activeElement.type"))
    assert names[:3] == ["model", "files", "save"]
    assert names.count("range") == 3


def test_a_token_is_asked_for_and_used(browser: Any, shapes_bundle: Path, shapes_table: LabelTable) -> None:
    app = create_app([ServedBundle("shapes", shapes_bundle)], token="pass")
    with listening(app) as (host, port):
        page = browser.new_page()
        page.goto(f"http://{host}:{port}")
        page.wait_for_selector("#token-form:not([hidden])")
        page.locator("#token").fill("pass")
        page.keyboard.press("Enter")
        page.wait_for_selector("#sliders li")
        drop(page, shapes_table.photos[0])
        # Other scripts of this address find it nowhere.
        kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
        assert kept == '[{},{},""]'
        page.close()


def test_a_page_of_another_site_gets_nothing_computed_and_reads_nothing(browser: Any, url: str) -> None:
    other = FastAPI()

    @other.get("/")
    async def evil() -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>evil</title>")

    with listening(other) as (host, port):
        page = browser.new_page()
        page.goto(f"http://{host}:{port}")
        with page.expect_response("**/predict") as found:
            page.evaluate("url => fetch(url, {method: 'POST', body: 'x', mode: 'no-cors'})", f"{url}/predict")
        assert found.value.status == 403
        assert not page.evaluate("url => fetch(url).then(() => true, () => false)", f"{url}/labels")
        page.close()
