"""The page is opened, and its token is no argument of the browser."""

import os
import subprocess
import sys
import time
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from manylabel.cli import private_page
from manylabel.cli.private_page import leading_file, open_page

ADDRESS = "http://127.0.0.1:8000/?token=a&b"

private_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the browser is given."""
    given: list[str] = []
    monkeypatch.setattr(webbrowser, "open", given.append)
    monkeypatch.setattr(private_page, "_SNAPS", Path("/none"))
    monkeypatch.setattr("platform.release", lambda: "6.1.0")
    return given


def path_of(address: str) -> Path:
    assert urlsplit(address).scheme == "file"
    return Path(url2pathname(urlsplit(address).path))


def test_the_browser_gets_a_file_that_leads_to_the_page(opened: list[str]) -> None:
    with ExitStack() as until:
        open_page(ADDRESS, until=until)
        file = path_of(opened[0])
        text = file.read_text(encoding="utf-8")

    assert 'content="0; url=http://127.0.0.1:8000/?token=a&amp;b"' in text
    assert not file.parent.exists()


@private_only
def test_only_its_user_can_read_the_file() -> None:
    before = os.umask(0)
    try:
        with leading_file(ADDRESS) as file:
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_a_browser_that_is_a_snap_finds_the_file_in_the_home(
    opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_page, "_SNAPS", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    with ExitStack() as until:
        open_page(ADDRESS, until=until)
        assert path_of(opened[0]).parents[1] == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_without_such_a_file_the_browser_gets_the_address(
    opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_page, "_parent", lambda: tmp_path / "none")
    with ExitStack() as until:
        open_page(ADDRESS, until=until)

    assert opened == [ADDRESS]


def test_a_browser_of_windows_gets_the_address(opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.release", lambda: "5.15.0-microsoft-standard-WSL2")
    with ExitStack() as until:
        open_page(ADDRESS, until=until)

    assert opened == [ADDRESS]


@private_only
def test_the_command_tells_no_other_program_its_token(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat "${{1#file://}}" > {tmp_path}/page\n'
    )
    browser.chmod(0o700)
    words = [sys.executable, "-m", "manylabel", "app", str(tmp_path / "photos")]
    environment = {**os.environ, "BROWSER": str(browser), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        while not (tmp_path / "page").exists() or not (tmp_path / "page").read_text().endswith("</html>\n"):
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        process.wait(30)

    token = urlsplit(address).query.removeprefix("token=")
    assert token in (tmp_path / "page").read_text()
    assert token not in (tmp_path / "arguments").read_text()
    assert not list(tmp_path.glob("manylabel-*"))
