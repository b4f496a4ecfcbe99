"""Where the token of a server comes from, and what it may be."""

from pathlib import Path

import pytest

from manylabel.cli.serve import read_token
from manylabel.errors import ConfigError


def test_a_token_has_no_spaces_around_it_wherever_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\xef\xbb\xbf secret \r\n")
    monkeypatch.setenv("MANYLABEL_TOKEN", " other\n")
    assert read_token(file) == "secret"
    assert read_token(None) == "other"
    monkeypatch.delenv("MANYLABEL_TOKEN")
    assert read_token(None) is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("pässword".encode(), "consist of printable ASCII"),
        (b"two\nlines", "consist of printable ASCII"),
        (b"\xff\xfe", "is not text"),
        (b" \n", "is empty; write the token into it"),
    ],
)
def test_a_token_that_no_client_could_send_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        read_token(file)


def test_a_token_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(tmp_path / "gone")
