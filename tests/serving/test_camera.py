"""Photos are taken on the served page; the browser brings a camera that shows a test picture."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manylabel.serving.app import create_app
from manylabel.serving.served import ServedBundle
from tests.serving.conftest import find_browser, listening

pytest.importorskip("openvino")

FAKE = ("--no-sandbox", "--use-fake-device-for-media-stream")


@pytest.fixture(scope="module")
def url(shapes_bundle: Path) -> Iterator[str]:
    """Serve a bundle."""
    with listening(create_app([ServedBundle("shapes", shapes_bundle)])) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def with_camera(browser: Any) -> Iterator[Any]:
    """Start a browser that has a camera."""
    other = browser.browser_type.launch(executable_path=find_browser(), args=[*FAKE])
    yield other
    other.close()


def open_page(browser: Any, url: str, **options: Any) -> Any:
    page = browser.new_context(**options).new_page()
    page.goto(url)
    page.wait_for_selector("#sliders li")
    return page


def test_photos_are_taken_and_scored(with_camera: Any, url: str) -> None:
    page = open_page(with_camera, url, permissions=["camera"])
    page.wait_for_selector("#open-camera:not([hidden])").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".shutter:enabled")
    assert page.evaluate("document.activeElement.className") == "shutter"
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewfinder p:has-text('Photo 1 is taken')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewfinder p:has-text('Photo 2 is taken')")
    assert page.evaluate("document.querySelector('video').srcObject.active")
    page.keyboard.press("Escape")

    page.wait_for_selector(".card .labels button >> nth=3")
    assert page.locator("figcaption").all_inner_texts() == ["camera 1.jpg", "camera 2.jpg"]
    assert page.evaluate("document.querySelector('video').srcObject") is None
    assert page.evaluate("document.activeElement.id") == "open-camera"
    page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_the_viewfinder_has_no_barriers(
    scheme: str, width: int, with_camera: Any, url: str, find_barriers: Callable[[Any], list[str]]
) -> None:
    page = open_page(with_camera, url, permissions=["camera"], color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_selector("#open-camera:not([hidden])").click()
    page.wait_for_selector(".shutter:enabled")

    assert find_barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_a_camera_that_the_page_may_not_use_is_told(with_camera: Any, url: str) -> None:
    page = open_page(with_camera, url, permissions=[])
    page.wait_for_selector("#open-camera:not([hidden])").click()

    page.wait_for_selector("#viewfinder p:has-text('This page may not use the camera.')")
    assert page.locator(".shutter").is_disabled()
    page.get_by_role("button", name="Close").click()
    assert not page.locator("#viewfinder").is_visible()
    page.close()


@pytest.mark.parametrize("is_phone", [True, False])
def test_without_a_camera_for_pages_a_phone_opens_its_own_program(
    is_phone: bool, browser: Any, url: str
) -> None:
    page = open_page(browser, url, has_touch=is_phone, is_mobile=is_phone)
    page.evaluate("navigator.mediaDevices.enumerateDevices().then(() => new Promise(requestAnimationFrame))")

    assert page.locator("#capture-choice").is_visible() == is_phone
    assert not page.locator("#open-camera").is_visible()
    assert page.locator("#capture").get_attribute("capture") == "environment"
    page.close()
