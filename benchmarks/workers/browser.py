"""Open ``manylabel app`` in a real browser.

In:  a folder of photos, the arguments of the command, the path of Chromium.
Out: the page, open; at the end, browser and server are closed.
"""

import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.cases import MANYLABEL
from benchmarks.workers.common import worker_parser


def browser_parser() -> ArgumentParser:
    """Return the argument parser of workers that use a browser."""
    parser = worker_parser()
    parser.add_argument("--browser", default="/usr/bin/chromium")
    return parser


@contextmanager
def opened_app(words: Sequence[str], *, browser: str) -> Iterator[Any]:
    """Start the server, and open its page.

    Args:
        words: What follows ``manylabel app``.
        browser: Path of Chromium.
    """
    command = [sys.executable, *MANYLABEL, "app", *words, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as play:
        try:
            assert server.stdout is not None, "it was started with a pipe"
            address = server.stdout.readline().split()[2]
            opened = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            page = opened.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            yield page
            opened.close()
        finally:
            server.terminate()


def add_labels(page: Any, labels: Sequence[str]) -> None:
    """Type labels into the page, which shows its first photo."""
    for label in labels:
        page.locator("#new-label").fill(label)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#labels .answer[data-label='{label}']")
    page.keyboard.press("Escape")
