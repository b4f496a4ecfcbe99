"""Keys of the labeling page: on keyboards of several countries, without a mouse, and their list."""

from typing import Any

import pytest

from tests.serving.labeling.conftest import Labeling, wait_for_answer

PRESS = """([code, key, shiftKey]) => document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", { code, key, shiftKey, bubbles: true, cancelable: true }))"""


@pytest.mark.parametrize(
    ("code", "key", "shift"),
    [
        ("Digit2", "2", False),  # the United States
        ("Digit2", "é", False),  # France
        ("Digit1", "+", False),  # Czechia
        ("Digit6", "Dead", False),
        ("Numpad2", "2", False),
        ("", "2", False),  # a keyboard on a screen
    ],
)
def test_a_digit_answers_its_label_wherever_it_is(
    code: str, key: str, shift: bool, page: Any, labeling: Labeling
) -> None:
    label = {"Digit1": "beach", "Digit6": ""}.get(code, "boat")
    page.evaluate(PRESS, [code, key, shift])
    if label:
        wait_for_answer(page, f"{label}: present")
        page.evaluate(PRESS, [code, key, shift])
        wait_for_answer(page, f"{label}: absent")
    else:
        page.wait_for_timeout(200)
        assert labeling.store.answers.revision == 0


@pytest.mark.parametrize(
    ("code", "key"), [("Digit2", "@"), ("Digit2", "2"), ("Digit2", '"'), ("Numpad2", "2")]
)
def test_shift_with_a_digit_takes_the_answer_back(code: str, key: str, page: Any) -> None:
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")
    page.evaluate(PRESS, [code, key, True])
    wait_for_answer(page, "boat: not answered")


@pytest.mark.parametrize("code", ["Digit7", "Digit1", "Equal", "BracketRight"])
def test_a_sign_that_is_typed_with_shift_on_a_digit_is_that_sign(
    code: str, page: Any, labeling: Labeling
) -> None:
    page.evaluate(PRESS, [code, "+", True])

    assert page.evaluate("document.activeElement.id") == "new-label"
    assert labeling.store.answers.revision == 0


def test_letters_of_other_scripts_are_keys_by_where_they_are(page: Any) -> None:
    page.evaluate(PRESS, ["KeyN", "т", False])
    wait_for_answer(page, "b #1 100%.jpg: none of the labels.")
    page.evaluate(PRESS, ["KeyU", "Γ", False])
    wait_for_answer(page, "Undone.")


def test_keys_with_other_letters_stay_what_they_are(page: Any, labeling: Labeling) -> None:
    for code, key in (("KeyN", "'"), ("KeyN", "é"), ("KeyN", "x"), ("KeyN", "F1")):
        page.evaluate(PRESS, [code, key, False])
    page.wait_for_timeout(200)

    assert labeling.store.answers.revision == 0
