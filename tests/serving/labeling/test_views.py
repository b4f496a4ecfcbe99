"""How one gets from view to view, and what the page says about changes."""

from typing import Any

import pytest

from tests.serving.labeling.conftest import Labeling, OpenPage, add_labels, wait_for_answer

pytest.importorskip("playwright.sync_api")

MODEL = {
    "name": "model 2",
    "backbone": "efficientnet_lite0",
    "is_best": True,
    "started": "2026-11-30T12:00:00",
    "n_train": 80,
    "n_test": 20,
    "part": "test",
    "tested_on": "ab",
    "metrics": {"mAP": 0.5, "exact_match": 0.1, "f1_macro": 0.2},
    "low": 0.4,
    "high": 0.6,
    "labels": ["boat"],
}


def test_a_label_is_found_by_typing_and_answered_with_enter(labeling: Labeling, open_page: OpenPage) -> None:
    add_labels(labeling, *(f"label {number}" for number in range(8)))
    page = open_page(labeling)
    page.keyboard.press("/")
    page.keyboard.press("Enter")  # nothing is typed: no label is meant
    page.keyboard.press("/")
    page.keyboard.type("bel 5")
    assert page.locator(".label-name").all_inner_texts() == ["label 5"]
    page.keyboard.press("Enter")
    wait_for_answer(page, "label 5: present")
    assert page.locator(".label-name").count() == 10

    given = labeling.store.answers
    answered = [label for label in given.labels if given.answer("a.jpg", label) != "unknown"]
    assert answered == ["beach", "boat", "label 5"]  # the first two are in the table


def test_the_keyboard_leaves_the_field_again(labeling: Labeling, open_page: OpenPage) -> None:
    add_labels(labeling, *(f"label {number}" for number in range(8)))
    page = open_page(labeling)
    page.keyboard.press("/")
    page.keyboard.press("Tab")
    assert page.locator("#filter:focus").count() == 0
    page.locator("#queue").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")


def test_the_address_keeps_the_view(page: Any) -> None:
    page.locator("#open-grid").click()
    page.locator("#open-train").click()
    page.reload()
    page.wait_for_selector("#train-view:visible")
    page.go_back()
    page.wait_for_selector("#grid-view:visible")
    page.go_back()
    page.wait_for_selector("#label-view:visible")
    page.go_forward()
    page.wait_for_selector("#grid-view:visible")


def test_the_photo_stays_when_another_view_was_open(page: Any) -> None:
    page.keyboard.press("s")
    wait_for_answer(page, "c.jpg, photo 3 of 4")
    page.locator("#open-train").click()
    page.go_back()
    page.wait_for_selector("#label-view:visible")
    assert page.locator("#name").inner_text() == "c.jpg"


def test_what_is_undone_is_told(page: Any) -> None:
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")
    page.keyboard.press("u")
    wait_for_answer(page, "Undone. b #1 100%.jpg: boat not answered.")
    page.keyboard.press("s")
    page.keyboard.press("+")
    page.keyboard.type("sun")
    page.keyboard.press("Enter")
    wait_for_answer(page, "sun was added")
    page.locator("#undo").click()
    wait_for_answer(page, "Undone: the label sun is gone again.")
    assert page.locator("#name").inner_text() == "c.jpg"


def test_training_again_waits_for_the_end_of_what_was_cancelled(
    labeling: Labeling, open_page: OpenPage
) -> None:
    names = [f"p{number}.jpg" for number in range(20)]  # enough to train
    for name in names:
        (labeling.photos / name).write_bytes((labeling.photos / "a.jpg").read_bytes())
    labeling.table.write_text("\n".join(["image,beach,boat", *(f"{name},1,0" for name in names), ""]))
    labeling.store.reload()
    page = open_page(labeling)
    training = {
        "name": "model 1",
        "state": "cancelled",
        "stage": None,
        "seconds": 3,
        "stage_seconds": 1,
        "problem": None,
        "is_ending": True,
    }
    page.route("**/app/training", lambda route: route.fulfill(json=training))
    page.locator("#open-train").click()
    page.wait_for_selector("#training-state:has-text('model 1 was cancelled')")
    assert page.locator("#start-training").is_disabled()
    training.update(is_ending=False)
    page.wait_for_selector("#start-training:enabled")
    training.update(state="running")
    page.locator("#open-train").click()
    page.wait_for_selector("#open-train:has-text('Train (running)')")
    assert page.locator("#training-progress").get_attribute("value") is None


def test_models_that_were_tested_on_other_photos_are_marked(page: Any) -> None:
    models = [MODEL, {**MODEL, "name": "model 1"}]
    page.route("**/app/models", lambda route: route.fulfill(json=models))
    page.locator("#open-train").click()
    page.reload()
    page.wait_for_selector("#models tbody tr")
    assert not page.locator("#tests-hint").is_visible()

    models[1]["tested_on"] = "cd"
    page.reload()
    page.wait_for_selector("#tests-hint:visible")
    assert page.locator("#models tbody td:nth-child(5)").all_inner_texts() == [
        "20 photos (set B)",
        "20 photos (set A)",
    ]


def test_undoing_tells_nothing_of_what_another_browser_did(page: Any, labeling: Labeling) -> None:
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")
    page.route("**/app/labels?since=*", lambda _: None)  # this page hears no more of others
    answers = {"1": {"beach": "present"}, "2": {"beach": "present"}}
    labeling.client.post("/app/answers", {"since": 0, "client": "other", "answers": answers})
    page.keyboard.press("u")
    wait_for_answer(page, "Undone. b #1 100%.jpg: boat not answered.")


def test_the_next_photo_is_shown_in_place_of_one_that_is_gone(page: Any, labeling: Labeling) -> None:
    page.keyboard.press("s")
    wait_for_answer(page, "c.jpg, photo 3 of 4")
    (labeling.photos / "c.jpg").unlink()
    labeling.store.reload()
    page.wait_for_selector("#name:has-text('in/d.jpg')")


def test_labels_are_added_while_photos_are_listed_anew(page: Any, labeling: Labeling) -> None:
    page.route("**/app/labels?since=*", lambda _: None)  # the page does not hear of it by itself
    (labeling.photos / "c.jpg").unlink()
    labeling.store.reload()
    page.evaluate("""() => {
        const one = new KeyboardEvent("keydown", { key: "1", bubbles: true });
        document.body.dispatchEvent(one);  // refused: photos were listed anew
        const field = document.getElementById("new-label");
        field.value = "sun";
        field.form.requestSubmit();
    }""")
    wait_for_answer(page, "sun was added")
    assert labeling.store.answers.labels == ["beach", "boat", "sun"]


def test_the_back_button_leaves_out_reports(page: Any) -> None:
    models = [{**MODEL, "name": name} for name in ("one", "two", "three")]
    page.route("**/app/models", lambda route: route.fulfill(json=models))
    html = {"body": "<p>A report", "content_type": "text/html"}
    page.route("**/app/models/*/report", lambda route: route.fulfill(**html))
    page.reload()
    page.locator("#open-grid").click()
    page.locator("#open-train").click()
    for row in range(3):
        with page.expect_response("**/report"):
            page.locator("#models button.open-report").nth(row).click()
    page.frame_locator("#report").get_by_text("A report").wait_for()
    page.go_back()
    page.wait_for_selector("#grid-view:visible")
