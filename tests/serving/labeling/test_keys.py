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


def test_all_keys_are_listed_and_none_of_them_acts_behind_the_list(page: Any, labeling: Labeling) -> None:
    page.locator("#zoom").focus()
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keys")
    assert {"1", "Enter", "N", "S", "Z", "U", "G", "?"} < {*listed.locator("kbd").all_inner_texts()}
    assert page.evaluate("document.activeElement.id") == "close-keys"
    for key in ("1", "n", "g", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    assert not listed.is_visible()
    assert page.evaluate("document.activeElement.id") == "zoom"

    assert labeling.store.answers.revision == 0
    assert page.locator("#label-view").is_visible()


@pytest.mark.parametrize("closing", ["?", "Enter", "Escape"])
def test_the_list_of_keys_is_opened_by_a_button_and_closed_by_keys(closing: str, page: Any) -> None:
    page.get_by_role("button", name="Keys").click()
    assert page.locator("#keys").is_visible()
    page.keyboard.press(closing)
    assert not page.locator("#keys").is_visible()


def test_a_question_mark_that_is_typed_into_a_field_is_text(page: Any) -> None:
    page.keyboard.press("+")
    page.keyboard.type("boat?")

    assert page.locator("#new-label").input_value() == "boat?"
    assert not page.locator("#keys").is_visible()


@pytest.mark.parametrize("width", [390, 1100])
def test_every_stop_of_the_tab_key_is_seen_and_has_a_name(width: int, page: Any) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    names = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
                const element = document.activeElement;
                if (element === document.body) return null;
                const { outlineStyle, outlineWidth } = getComputedStyle(element);
                const { left, top, width, height } = element.getBoundingClientRect();
                const above = document.elementFromPoint(left + width / 2, top + Math.min(height, 40) / 2);
                const isMarked = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
                const words = element.getAttribute("aria-label") || element.innerText;
                const isSeen = isMarked && element.contains(above);
                return { isSeen, name: element.id || words.replace(/\\s+/g, " ").trim() };
            }"""
        )
        if seen is None or seen["name"] in names:
            break
        assert seen["isSeen"], seen["name"]
        assert seen["name"]
        names.append(seen["name"])

    assert names[:5] == ["open-label", "open-grid", "open-train", "open-use", "undo"]
    assert names[5:7] == ["open-keys", "zoom"]
    assert names[8:10] == ["1 beach not answered", "Change the label beach"]
    assert names[-4:] == ["confirm", "none", "previous", "skip"]
