"""What helps people label: with a stand-in for the process that learns."""

import base64
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from manylabel.annotation.author import Author
from tests.serving.labeling.conftest import TOKEN, Labeling, OpenPage, wait_for_answer

SECONDS = 20


def wait(read: Callable[[], Any], until: Callable[[Any], object]) -> Any:
    end = time.monotonic() + SECONDS
    while not until(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def get(labeling: Labeling, path: str) -> Any:
    answer = labeling.client.get(path)
    assert answer.status == 200, answer.content
    return answer.json()


def wait_for_scores(labeling: Labeling) -> dict[str, Any]:
    def read() -> Any:
        return get(labeling, "/app/labels")["learning"]

    found: dict[str, Any] = wait(read, lambda learning: learning["estimate"] and not learning["is_learning"])
    return found


def test_answers_are_learned_and_told_in_short(assisted: Labeling) -> None:
    learning = wait_for_scores(assisted)

    assert learning["estimate"]["mean_average_precision"] == 0.8
    assert (learning["n_done"], learning["problem"]) == (4, None)

    assisted.client.post("/app/answers", {"since": 0, "answers": {"1": {"boat": "present"}}})
    wait(
        lambda: get(assisted, "/app/labels")["learning"]["version"],
        lambda version: version > learning["version"],
    )


def test_probabilities_are_told_in_16_bits(assisted: Labeling) -> None:
    wait_for_scores(assisted)

    scores = get(assisted, "/app/scores")

    values = np.frombuffer(base64.b64decode(scores["values"]), dtype="<u2").reshape(4, 2)
    assert scores["labels"] == ["beach", "boat"]
    assert np.allclose(values[:3] / 65_534, 0.75, atol=1e-4)
    assert (values[3] == 65_535).all()


def test_queues_follow_the_answers(assisted: Labeling) -> None:
    wait_for_scores(assisted)
    queues = get(assisted, "/app/queues")
    assert queues["suggested"] == [2, 3]
    assert [(one["row"], one["label"], one["given"]) for one in queues["issues"]] == [(0, "boat", "absent")]

    kept = {"since": 0, "queue": "issues", "answers": {"0": {"boat": "absent"}}, "confirms": True}
    assert assisted.client.post("/app/answers", kept).status == 200

    assert get(assisted, "/app/queues")["issues"] == []


def test_similar_photos_are_told(assisted: Labeling) -> None:
    assert get(assisted, "/app/similar/2") == [2]
    assert assisted.client.get("/app/similar/4").status == 404


def test_without_help_there_is_nothing_to_ask(labeling: Labeling) -> None:
    assert get(labeling, "/app/labels")["learning"] is None
    for path in ("/app/scores", "/app/queues", "/app/similar/0"):
        assert labeling.client.get(path).status == 404


def test_nobody_without_the_cookie_is_told_anything(assisted: Labeling) -> None:
    stranger = replace(assisted.client, cookie="")
    for path in ("/app/scores", "/app/queues", "/app/similar/0"):
        assert stranger.get(path).status == 401


def test_other_photos_are_learned_about_after_the_table_was_read_again(assisted: Labeling) -> None:
    wait_for_scores(assisted)
    (assisted.photos / "new.jpg").write_bytes((assisted.photos / "a.jpg").read_bytes())

    assert assisted.client.post("/app/reload", {"since": 0}).status == 200

    learning = wait(
        lambda: get(assisted, "/app/labels")["learning"], lambda learning: learning["n_photos"] == 5
    )
    assert learning["first"] is None or learning["first"]["n_photos"] == 12
    wait_for_scores(assisted)
    assisted.store.set(Author(name="Ada"), [("new.jpg", "boat", "present")])


@pytest.fixture
def page(assisted: Labeling, open_page: OpenPage) -> Any:
    """Open the page once everything was learned."""
    wait_for_scores(assisted)
    page = open_page(assisted)
    page.wait_for_selector("#labels .answer.suggested")
    return page


def choose_queue(page: Any, name: str) -> None:
    page.locator("#queue").select_option(name)


def test_suggested_labels_are_visible_and_become_answers_with_enter(page: Any, assisted: Labeling) -> None:
    assert page.locator("#name").inner_text() == "b #1 100%.jpg"
    assert page.locator("#labels .suggested .state").all_inner_texts() == ["suggested, 75 %"] * 2
    assert "mAP 80 % (70 % to 90 %)" in page.locator("#learning").inner_text()
    assert page.get_by_role("button", name="beach suggested, 75 %", exact=True).is_visible()
    page.wait_for_timeout(700)  # as long as new suggestions have to be seen

    page.keyboard.press("2")
    wait_for_answer(page, "boat: absent")
    assert assisted.store.answers.answer("b #1 100%.jpg", "beach") == "unknown"
    page.keyboard.press("Enter")

    wait_for_answer(page, "b #1 100%.jpg: beach. 2 photos left.")
    assert assisted.store.answers.answer("b #1 100%.jpg", "boat") == "absent"


def test_none_of_the_labels_means_that_suggested_ones_are_absent_too(page: Any, assisted: Labeling) -> None:
    page.keyboard.press("n")

    wait_for_answer(page, "b #1 100%.jpg: none of the labels. 2 photos left.")


def test_suggestions_that_have_just_appeared_are_not_confirmed(browser: Any, assisted: Labeling) -> None:
    wait_for_scores(assisted)
    page, held = browser.new_page(), list[Any]()
    page.route("**/app/scores", lambda route: held.append(route))
    page.goto(f"{assisted.url}/?token={TOKEN}")
    page.wait_for_selector("#photo[style*='visible']")
    wait(lambda: (page.wait_for_timeout(20), held)[1], len)
    assert page.locator("#labels .suggested").count() == 0

    held[0].continue_()
    page.wait_for_selector("#labels .answer.suggested")
    page.keyboard.press("Enter")

    page.wait_for_selector("#status:has-text('have just appeared')")
    assert assisted.store.answers.answer("b #1 100%.jpg", "boat") == "unknown"
    page.wait_for_timeout(700)
    page.keyboard.press("Enter")
    wait_for_answer(page, "b #1 100%.jpg: beach, boat. 2 photos left.")
    page.close()


def test_queues_are_listed_with_how_much_is_in_them(page: Any) -> None:
    titles = page.locator("#queue option").all_inner_texts()

    assert "photos to label (3)" in titles
    assert "possible mistakes (1)" in titles
    assert not any(title.startswith("near-duplicates with different labels") for title in titles)
    assert "all photos (4)" in titles


@pytest.mark.parametrize(("key", "answer"), [("k", "absent"), ("c", "present"), ("x", "unknown")])
def test_a_probable_mistake_is_kept_changed_or_left_open(
    page: Any, assisted: Labeling, key: str, answer: str
) -> None:
    choose_queue(page, "issues")
    page.wait_for_selector("#question:visible")
    assert page.locator("#name").inner_text() == "a.jpg"
    text = page.locator("#question p").inner_text()
    assert text == "Given: boat is absent. A model that has not seen this answer puts boat at 75 %."
    assert page.locator("#question .similar figcaption").all_inner_texts() == ["boat: not answered"]
    page.wait_for_selector("#photo[style*='visible']")

    page.keyboard.press(key)

    page.wait_for_selector("#status:has-text('0 left in')")
    assert assisted.store.answers.answer("a.jpg", "boat") == answer
    assert page.locator("#question").is_hidden()
    page.wait_for_selector("#queue option:has-text('possible mistakes (0)')", state="attached")
    assert page.locator("#done h2").inner_text() == "Nothing left in “possible mistakes”"
    page.keyboard.press("c")  # no question is open any more
    page.wait_for_timeout(300)
    assert assisted.store.answers.answer("a.jpg", "boat") == answer


def test_a_decision_is_for_no_other_photo_where_photos_are_listed_anew(page: Any, assisted: Labeling) -> None:
    choose_queue(page, "issues")
    page.wait_for_selector("#question:visible")
    page.wait_for_selector("#photo[style*='visible']")
    page.route("**/app/labels?since=*", lambda _: None)  # the page does not hear of it by itself
    (assisted.photos / "0.jpg").write_bytes((assisted.photos / "a.jpg").read_bytes())
    assisted.store.reload()
    page.evaluate("""for (const key of ["1", "c"]) {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    }""")
    page.wait_for_selector("#alert:has-text('the list of photos has changed')")
    page.wait_for_timeout(500)
    answers = assisted.store.answers
    assert [answers.answer(name, "boat") for name in ("0.jpg", "a.jpg")] == ["unknown", "absent"]
    assert answers.answer("0.jpg", "beach") == "unknown"


def test_an_answer_that_was_kept_by_mistake_is_asked_about_again(page: Any) -> None:
    choose_queue(page, "issues")
    page.wait_for_selector("#question:visible")
    assert page.locator("#position").inner_text().endswith("1 left in “possible mistakes”.")
    assert not page.is_visible("#confirm")
    page.wait_for_selector("#photo[style*='visible']")
    page.keyboard.press("k")
    page.wait_for_selector("#status:has-text('0 left in')")

    page.keyboard.press("u")

    page.wait_for_selector("#question:visible")
    assert page.locator("#name").inner_text() == "a.jpg"


def test_undo_goes_back_over_what_was_skipped_since(page: Any) -> None:
    choose_queue(page, "suggested")
    page.wait_for_selector("#name:has-text('c.jpg')")
    page.wait_for_selector("#photo[style*='visible']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#name:has-text('in/d.jpg')")
    page.keyboard.press("s")

    page.keyboard.press("u")

    page.wait_for_selector("#name:has-text('c.jpg')")


def test_what_was_skipped_comes_again(page: Any) -> None:
    choose_queue(page, "suggested")
    page.wait_for_selector("#name:has-text('c.jpg')")
    for name in ("in/d.jpg", "c.jpg", "in/d.jpg"):
        page.keyboard.press("s")
        page.wait_for_selector(f"#name:has-text({name!r})")
    assert "2 left" in page.locator("#position").inner_text()
    assert not page.is_visible("#done")


def test_the_grid_shows_probabilities_and_sorts_by_them_or_by_likeness(page: Any) -> None:
    page.keyboard.press("g")
    page.wait_for_selector(".tile")
    names = "[...document.querySelectorAll('.tile')].map((tile) => tile.getAttribute('aria-label'))"
    assert page.evaluate(names)[0] == "a.jpg: beach present, 75 %"
    assert page.evaluate(names)[1] == "b #1 100%.jpg: beach suggested, 75 %"

    page.locator("#grid-order").select_option("probable")
    assert page.evaluate(names)[3] == "in/d.jpg: beach not answered"
    page.locator("#grid-order").select_option("similar")
    page.wait_for_selector("#status:has-text('Sorted by likeness to a.jpg.')")


def test_the_grid_confirms_what_is_suggested_and_the_rest_as_absent(page: Any, assisted: Labeling) -> None:
    page.keyboard.press("g")
    page.wait_for_selector(".tile.suggested")
    assert page.locator("#rest").inner_text() == "Answer “present” for 2 suggested, “absent” for 1 photo"

    page.locator(".tile").nth(2).click()
    wait_for_answer(page, "c.jpg: beach absent.")
    page.locator("#rest").click()
    wait_for_answer(page, "2 photos: beach 1 present, 1 absent.")

    answers = [assisted.store.answers.answer(name, "beach") for name in assisted.store.answers.names]
    assert answers == ["present", "present", "absent", "absent"]
