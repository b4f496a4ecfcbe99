"""The labeling page keeps no people with disabilities out, on a phone or a desk, by day or by night."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.serving.labeling.conftest import Labeling, wait_for_answer

FindBarriers = Callable[[Any], list[str]]

schemes = pytest.mark.parametrize("scheme", ["light", "dark"])
widths = pytest.mark.parametrize("width", [390, 1280])


def show(page: Any, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})


def check(page: Any, find_barriers: FindBarriers) -> None:
    # Where buttons stick to the lower end, nothing is behind them there.
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert find_barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@schemes
@widths
def test_one_photo_has_no_barriers(scheme: str, width: int, page: Any, find_barriers: FindBarriers) -> None:
    show(page, scheme, width)
    check(page, find_barriers)
    page.keyboard.press("1")
    wait_for_answer(page, "beach: present")
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")
    page.keyboard.press("2")
    wait_for_answer(page, "boat: absent")
    page.locator("summary").first.click()
    check(page, find_barriers)
    page.keyboard.press("?")
    check(page, find_barriers)


@schemes
@widths
def test_the_grid_has_no_barriers(scheme: str, width: int, page: Any, find_barriers: FindBarriers) -> None:
    show(page, scheme, width)
    page.keyboard.press("g")
    page.wait_for_selector(".tile img[src]")
    page.locator(".tile").nth(1).click()
    wait_for_answer(page, "b #1 100%.jpg: beach present")
    page.locator(".tile").nth(2).click()
    wait_for_answer(page, "c.jpg: beach present")
    page.locator(".tile").nth(2).click()
    wait_for_answer(page, "c.jpg: beach absent")
    check(page, find_barriers)


def test_the_end_has_no_barriers(page: Any, find_barriers: FindBarriers) -> None:
    for left in ("2 photos left.", "1 photo left.", "All photos are labeled."):
        page.keyboard.press("n")
        wait_for_answer(page, left)
    check(page, find_barriers)


def test_a_complaint_has_no_barriers(page: Any, labeling: Labeling, find_barriers: FindBarriers) -> None:
    (labeling.photos / "aa.jpg").write_bytes((labeling.photos / "a.jpg").read_bytes())
    labeling.store.reload()
    page.keyboard.press("2")
    page.wait_for_selector("#alert:has-text('the list of photos has changed')")
    check(page, find_barriers)


@schemes
@widths
def test_training_has_no_barriers(scheme: str, width: int, page: Any, find_barriers: FindBarriers) -> None:
    show(page, scheme, width)
    page.locator("#open-train").click()
    page.wait_for_selector("#train-photos:not(:empty)")
    check(page, find_barriers)


def test_a_barrier_is_found(page: Any, find_barriers: FindBarriers) -> None:
    page.evaluate("document.getElementById('undo').replaceChildren()")
    assert [barrier.partition(":")[0] for barrier in find_barriers(page)] == ["button-name"]
