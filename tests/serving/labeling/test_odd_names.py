"""The page with names of photos and labels that are hard to show or to write, and with hardly any labels."""

from typing import Any

import pytest

from manylabel.data.formats import read_table
from tests.serving.labeling.conftest import Labeling, OpenPage, add_labels, wait_for_answer

pytest.importorskip("playwright.sync_api")

PHOTOS = ("two\nlines.jpg", "50 %25 #1?&=.jpg", " blank.jpg", "שלום.jpg", "=1+1, 'a'.jpg", '<b>"x"&amp;.jpg')
LABELS = ("إشارة", '"quoted"', "<script>alert(1)</script>", "👍🏽 ok", "a, b; c|d", "=1+1")


def test_odd_names_are_shown_and_come_back_from_the_table(labeling: Labeling, open_page: OpenPage) -> None:
    picture = (labeling.photos / "a.jpg").read_bytes()
    for name in PHOTOS:
        (labeling.photos / name).write_bytes(picture)
    labeling.store.reload()
    add_labels(labeling, *LABELS)
    page = open_page(labeling)
    page.locator("#queue").select_option("all")
    page.keyboard.press("Escape")
    names, labels = labeling.store.answers.names, labeling.store.answers.labels
    for number, name in enumerate(names):
        page.wait_for_function("name => document.getElementById('name').textContent === name", arg=name)
        page.wait_for_selector("#photo[style*='visible']", state="attached")
        page.keyboard.press(str(1 + number % len(labels)))
        page.keyboard.press("Enter")
        page.wait_for_selector("#photo[style*='visible']", state="attached")
    shown = page.locator(".label-name").all_inner_texts()
    assert shown == labels

    labeling.store.close()
    written = read_table(labeling.table, photos=labeling.photos)
    rows = dict(zip(written.names, written.targets, strict=True))
    assert set(rows) == set(names)
    for number, name in enumerate(names):
        turned = labels[number % len(labels)]
        was = name == "a.jpg" and turned == "beach"  # the table had it as present
        assert rows[name][written.labels.index(turned)] == (0 if was else 1), (name, turned)
    assert set(written.labels) == set(labels)


def test_a_folder_without_labels_asks_for_one_and_one_label_is_enough(
    labeling: Labeling, open_page: OpenPage
) -> None:
    for label in ("beach", "boat"):
        labeling.client.post("/app/labels", {"since": 0, "change": "remove", "label": label})
    page = open_page(labeling)
    assert page.evaluate("document.activeElement.id") == "new-label"
    page.keyboard.type("sun")
    page.keyboard.press("Enter")
    wait_for_answer(page, "sun was added")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    wait_for_answer(page, "sun: present")
    page.keyboard.press("Enter")
    wait_for_answer(page, "3 photos left")

    assert labeling.store.answers.labels == ["sun"]


def test_a_label_cannot_break_out_of_the_page(page: Any) -> None:
    page.keyboard.press("+")
    page.keyboard.type("<img src=x onerror=document.title='broken'>")
    page.keyboard.press("Enter")
    wait_for_answer(page, "was added")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.wait_for_selector("#grid-view:visible")
    assert page.locator("#labels img, #grid-label img, #status img").count() == 0
    assert page.title() != "broken"
