"""The page on which photos are chosen, and the labeling page that follows it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.serving.labeling.conftest import Client


@pytest.fixture
def address(empty_folder: Path) -> Iterator[str]:
    """Run the command without photos; yield the address that it shows."""
    words = [sys.executable, "-m", "manylabel", "app", "--no-browser", "--no-suggest", "--as", "Bo"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=empty_folder) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2]
        process.terminate()
        assert process.wait(30) in (0, -15, 143)


@pytest.fixture
def client(address: str) -> Client:
    """Return a client that has opened the page."""
    parts = urlsplit(address)
    client = Client((parts.hostname or "", parts.port or 0))
    client.get(f"/?{parts.query}")
    return client


def test_nothing_but_the_start_page_answers_before_photos_are_chosen(client: Client) -> None:
    assert b"Teach a model" in client.get("/").content
    assert client.get("/static/app/start.js").status == 200
    for path in ("/app/labels", "/app/models", "/app/photos/0", "/use/health", "/none"):
        answer = client.get(path)
        assert (answer.status, answer.json()["detail"]) == (409, "choose photos on the start page first")
    assert client.post("/app/answers", {}).status == 409


def test_strangers_and_other_pages_choose_nothing(client: Client) -> None:
    stranger = Client(client.address)
    assert stranger.post("/app/start", {"folder": None}).status == 401
    assert stranger.get("/app/labels").status == 401
    assert client.post("/app/start", {"folder": None}, {"Origin": "https://evil.example"}).status == 403
    assert client.post("/app/start", {"folder": None}, {"Host": "evil.example"}).status == 421
    assert client.post("/app/start", {"folder": None}, {"Content-Type": "text/plain"}).status == 415
    assert client.post("/app/start", {"folder": 1}).status == 422
    assert "frame-ancestors 'none'" in client.get("/").headers["Content-Security-Policy"]


def test_the_app_goes_on_with_the_chosen_folder(client: Client, photos: Path) -> None:
    refused = client.post("/app/start", {"folder": str(photos.parent / "none")})
    assert (refused.status, refused.json()["detail"]) == (422, f"{photos.parent / 'none'}: no such folder")

    assert client.post("/app/start", {"folder": str(photos)}).status == 200

    assert b"Label photos" in client.get("/").content
    assert len(client.get("/app/labels").json()["names"]) == 4
    assert client.post("/app/start", {"folder": str(photos)}).status == 404
    client.post("/app/labels", {"since": 0, "change": "add", "label": "boat"})
    client.post("/app/answers", {"since": 0, "answers": {"0": {"boat": "present"}}})
    assert (photos / "labels.csv.changes.jsonl").read_text().count('"Bo"') == 2


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """Open the page; whatever its console complains about fails the test."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    page.close()
    assert [text for text in complaints if "422 (Unpr" not in text] == []


def test_the_sample_is_opened_with_the_keyboard(page: Any, empty_folder: Path) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "folder"
    page.keyboard.type("nowhere")
    page.keyboard.press("Enter")
    page.wait_for_selector("#alert:has-text('nowhere: no such folder')")
    assert page.evaluate("document.activeElement.id") == "folder"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "sample"
    page.keyboard.press("Enter")

    page.wait_for_selector("#labels .answer")
    assert page.url.count("token") == 0
    assert page.locator("#done").is_visible()
    assert (empty_folder / "postcards" / "images" / "0200.jpg").exists()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_the_start_page_has_no_barriers(
    scheme: str, width: int, page: Any, find_barriers: Callable[[Any], list[str]]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    page.locator("#folder").fill("nowhere")
    page.keyboard.press("Enter")
    page.wait_for_selector("#alert:not([hidden])")

    assert find_barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
