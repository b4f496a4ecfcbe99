"""The name of the user of this machine."""

import getpass

import pytest

from manylabel.annotation.author import user_name


def test_the_system_tells_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")

    assert user_name() == "ada"


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_has_an_empty_one(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)

    assert user_name() == ""
