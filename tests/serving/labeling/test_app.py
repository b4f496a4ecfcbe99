"""Who may use the labeling page, and how people use it in a real browser."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from manylabel.annotation.author import Author
from manylabel.annotation.label_store import LabelStore
from manylabel.data.formats import read_table
from manylabel.serving.labeling.app import create_labeling_app
from manylabel.serving.labeling.state import LabelingState
from tests.serving.conftest import listening
from tests.serving.labeling.conftest import TABLE, TOKEN, Client, Labeling, wait_for_answer


def test_the_address_with_the_token_opens_the_page_once(labeling: Labeling) -> None:
    stranger = Client(labeling.client.address)
    assert stranger.get("/app/labels").status == 401
    assert stranger.get("/app/photos/0").status == 401
    assert stranger.post("/app/undo", {}).status == 401
    assert stranger.get("/?token=wrong").status == 200
    refused = stranger.get("/app/labels")
    assert refused.json()["detail"] == "open the address that `manylabel app` shows in the terminal"

    opened = stranger.get(f"/?token={TOKEN}")

    assert (opened.status, opened.headers["Location"]) == (303, "/")
    assert "HttpOnly" in opened.headers["Set-Cookie"]
    assert "SameSite=strict" in opened.headers["Set-Cookie"]
    assert stranger.get("/app/labels").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_no_other_page_can_change_labels(headers: dict[str, str], status: int, labeling: Labeling) -> None:
    answer = labeling.client.post(
        "/app/answers", {"since": 0, "answers": {"0": {"boat": "present"}}}, headers
    )

    assert answer.status == status
    assert labeling.store.answers.answer("a.jpg", "boat") == "absent"


def test_every_answer_forbids_foreign_scripts(labeling: Labeling) -> None:
    for path in ("/", "/app/labels", "/static/app/app.js", "/app/photos/0", "/none"):
        headers = labeling.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_command_shows_its_address_and_saves_the_table(photos: Path) -> None:
    words = [sys.executable, "-m", "manylabel", "app", str(photos), "--no-browser", "--as", "Bo"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        parts = urlsplit(address)
        assert (parts.hostname, parts.path) == ("127.0.0.1", "/")
        client = Client(("127.0.0.1", parts.port or 0))
        client.get(f"/?{parts.query}")
        client.post("/app/labels", {"since": 0, "change": "add", "label": "boat"})
        client.post("/app/answers", {"since": 0, "answers": {"1": {"boat": "present"}}})
        process.terminate()
        process.wait(30)

    assert (photos / "labels.csv").read_text() == "image,boat\nb #1 100%.jpg,1\n"


def test_photos_are_labeled_with_the_keyboard_alone(page: Any, labeling: Labeling) -> None:
    assert page.url == f"{labeling.url}/#label"
    assert page.locator("#name").inner_text() == "b #1 100%.jpg"  # a.jpg is labeled
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")
    page.keyboard.press("Enter")
    wait_for_answer(page, "b #1 100%.jpg: boat. 2 photos left.")
    page.keyboard.press("n")
    wait_for_answer(page, "c.jpg: none of the labels. 1 photo left.")
    page.keyboard.press("u")
    wait_for_answer(page, "Undone.")
    assert page.locator("#name").inner_text() == "c.jpg"
    page.keyboard.press("1")
    wait_for_answer(page, "beach: present")
    page.keyboard.press("Enter")
    wait_for_answer(page, "c.jpg: beach. 1 photo left.")
    page.keyboard.press("Enter")
    wait_for_answer(page, "All photos are labeled.")
    assert page.locator("#done").is_visible()
    labeling.store.close()

    table = read_table(labeling.table, photos=labeling.photos)
    assert dict(zip(table.names, table.targets.tolist(), strict=True)) == {
        "a.jpg": [1, 0],
        "b #1 100%.jpg": [0, 1],
        "c.jpg": [1, 0],
        "in/d.jpg": [0, 0],
    }


def test_keys_that_are_pressed_fast_are_all_obeyed(page: Any, labeling: Labeling) -> None:
    page.wait_for_selector("#photo[style*='visible']")
    for key in ("1", "2", "Enter"):
        page.keyboard.press(key)
    wait_for_answer(page, "2 photos left.")

    assert labeling.store.answers.targets[1].tolist() == [1, 1]


def test_enter_confirms_after_a_click_on_a_label(page: Any, labeling: Labeling) -> None:
    page.locator("#labels .answer").nth(1).click()
    wait_for_answer(page, "boat: present")
    page.keyboard.press("Enter")
    wait_for_answer(page, "b #1 100%.jpg: boat. 2 photos left.")


def test_photos_that_were_listed_anew_are_not_mixed_up(page: Any, labeling: Labeling) -> None:
    assert page.locator("#name").inner_text() == "b #1 100%.jpg"
    page.route("**/app/labels?since=*", lambda _: None)  # the page does not hear of it by itself
    (labeling.photos / "aa.jpg").write_bytes((labeling.photos / "a.jpg").read_bytes())
    labeling.store.reload()
    page.keyboard.press("2")  # the page shows its photo as number 1, which is another one now
    page.wait_for_selector("#alert:has-text('the list of photos has changed')")
    assert page.locator("#name").inner_text() == "b #1 100%.jpg"
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")

    assert labeling.store.answers.answer("b #1 100%.jpg", "boat") == "present"
    assert labeling.store.answers.answer("aa.jpg", "boat") == "unknown"


def test_keys_pressed_before_the_new_list_is_there_answer_for_no_photo(page: Any, labeling: Labeling) -> None:
    page.wait_for_selector("#photo[style*='visible']")
    page.route("**/app/labels?since=*", lambda _: None)  # the page does not hear of it by itself
    (labeling.photos / "aa.jpg").write_bytes((labeling.photos / "a.jpg").read_bytes())
    labeling.store.reload()
    page.evaluate("""for (const key of ["1", "2", "Enter"]) {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    }""")
    page.wait_for_selector("#alert:has-text('the list of photos has changed')")
    page.wait_for_selector("#photo[style*='visible']")
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")

    given = {name: labeling.store.answers.answer(name, "boat") for name in labeling.store.answers.names}
    assert given == {
        "a.jpg": "absent",
        "aa.jpg": "unknown",
        "b #1 100%.jpg": "present",
        "c.jpg": "unknown",
        "in/d.jpg": "unknown",
    }
    assert labeling.store.answers.answer("aa.jpg", "beach") == "unknown"


def test_nothing_is_written_before_a_person_has_confirmed_it(page: Any, labeling: Labeling) -> None:
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "s", "z"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)

    assert labeling.table.read_text() == TABLE
    assert labeling.store.answers.revision == 0


def test_screen_readers_hear_each_label_and_its_answer(page: Any) -> None:
    button = page.get_by_role("button", name="beach not answered", exact=True)
    assert button.get_attribute("aria-pressed") == "mixed"
    assert button.get_attribute("aria-keyshortcuts") == "1"
    button.focus()
    page.keyboard.press("Space")
    wait_for_answer(page, "beach: present")
    assert page.locator("#labels .answer:focus").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Shift+Digit1")
    wait_for_answer(page, "beach: not answered")


def test_labels_are_added_and_renamed_as_text_not_as_markup(page: Any) -> None:
    name = '<img src=x onerror="alert(1)">'
    page.keyboard.press("+")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    wait_for_answer(page, "was added")
    assert page.locator(".label-name").nth(2).inner_text() == name
    page.locator("summary").nth(2).click()
    page.locator("details[open] input").fill("boat")
    page.locator("details[open] button[type=submit]").click()
    page.wait_for_selector("details[open] .hint:has-text('again to merge the two into boat')")
    assert page.locator(".label-name").count() == 3
    page.locator("details[open] button[type=submit]").click()
    wait_for_answer(page, "was merged into boat, now on 0 photos. Press U to undo.")
    assert page.locator(".label-name").all_inner_texts() == ["beach", "boat"]


def test_undo_reaches_behind_a_reload_of_the_page(page: Any, labeling: Labeling) -> None:
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")
    page.reload()
    page.wait_for_selector("#photo[style*='visible']")
    page.keyboard.press("u")
    wait_for_answer(page, "Undone.")

    assert labeling.store.answers.answer("b #1 100%.jpg", "boat") == "unknown"


def test_undo_works_where_the_browser_keeps_nothing(page: Any, labeling: Labeling) -> None:
    page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('not allowed'); } });"
    )
    page.reload()
    page.wait_for_selector("#photo[style*='visible']")
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")
    page.keyboard.press("u")
    wait_for_answer(page, "Undone.")

    assert labeling.store.answers.answer("b #1 100%.jpg", "boat") == "unknown"


def test_two_browsers_see_the_changes_of_each_other(page: Any, browser: Any, labeling: Labeling) -> None:
    other = browser.new_context().new_page()
    other.goto(f"{labeling.url}/?token={TOKEN}")
    other.wait_for_selector("#photo[style*='visible']")
    page.keyboard.press("2")
    wait_for_answer(page, "boat: present")

    other.wait_for_selector(".answer.present:has-text('boat')")
    other.keyboard.press("u")  # it has done nothing itself
    other.wait_for_selector("#alert:has-text('nothing to undo')")
    other.close()


def test_a_change_of_the_table_by_another_program_is_told_by_itself(page: Any, labeling: Labeling) -> None:
    labeling.table.write_text(TABLE.replace("1,0", "1,1"))
    page.wait_for_selector("#alert:has-text('labels.csv was changed by another program')")
    page.locator("#reload:has-text('Read the table again')").click()
    page.wait_for_selector("#alert", state="hidden")

    assert labeling.store.answers.answer("a.jpg", "boat") == "present"


def test_a_deleted_table_is_told_by_itself_and_written_again(page: Any, labeling: Labeling) -> None:
    labeling.table.unlink()
    page.wait_for_selector("#alert:has-text('labels.csv was removed by another program')")
    page.locator("#reload:has-text('Write the table again')").click()
    page.wait_for_selector("#alert", state="hidden")
    labeling.store.close()

    assert labeling.table.read_text() == TABLE


def test_all_that_became_of_answers_is_told_at_once(page: Any, labeling: Labeling) -> None:
    author = Author()
    labeling.store.set(author, [("in/d.jpg", "beach", "present"), ("a.jpg", "beach", "absent")])
    (labeling.photos / "in").rename(labeling.photos.parent / "elsewhere")
    labeling.table.write_text("image,beach\na.jpg,?\nc.jpg,1\n")
    labeling.store.reload()

    for sentence in (
        "labels.csv disagrees with your answers: a.jpg, beach (not answered).",
        "which removed labels: boat.",
        "Some answers belong to photos that are not in the folder: in/d.jpg, beach (present).",
    ):
        page.wait_for_selector(f"#alert:has-text('{sentence}')")
    (labeling.photos.parent / "elsewhere").rename(labeling.photos / "in")
    page.locator("#reload").click()
    page.wait_for_selector("#alert", state="hidden")
    assert labeling.store.answers.answer("in/d.jpg", "beach") == "present"


def test_a_photo_that_cannot_be_read_is_told(browser: Any, labeling: Labeling) -> None:
    (labeling.photos / "b #1 100%.jpg").write_bytes(b"no photo")
    page = browser.new_page()
    page.goto(f"{labeling.url}/?token={TOKEN}")

    page.wait_for_selector("#alert:has-text('b #1 100%.jpg cannot be shown: it is not a photo')")
    page.close()


def test_many_photos_are_answered_in_the_grid(page: Any, labeling: Labeling) -> None:
    page.keyboard.press("g")
    page.wait_for_selector(".tile")
    page.select_option("#grid-label", "boat")
    assert page.locator(".tile").count() == 4
    page.locator(".tile").nth(1).click()
    wait_for_answer(page, "b #1 100%.jpg: boat present")
    page.locator(".tile").nth(2).click(modifiers=["Shift"])
    wait_for_answer(page, "2 photos: boat present")
    page.keyboard.press("u")
    wait_for_answer(page, "Undone.")
    page.locator("#rest").click()
    wait_for_answer(page, "2 photos: boat absent")
    assert page.locator("#rest").inner_text() == "No photo without an answer"

    answers = [labeling.store.answers.answer(name, "boat") for name in labeling.store.answers.names]
    assert answers == ["absent", "present", "absent", "absent"]


def test_the_grid_is_filtered_and_used_with_the_keyboard(page: Any) -> None:
    page.locator("#open-grid").click()
    page.select_option("#grid-state", "unknown")
    assert page.locator(".tile").count() == 3
    page.fill("#grid-text", "IN/")
    assert page.locator(".tile").get_attribute("aria-label") == "in/d.jpg: beach not answered"
    page.fill("#grid-text", "")
    page.locator(".tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    wait_for_answer(page, "c.jpg: beach present")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "c.jpg: beach present"


def test_the_grid_shows_one_part_of_the_split(page: Any, labeling: Labeling) -> None:
    page.keyboard.press("g")
    assert not page.is_visible("#grid-part")
    labeling.table.write_text("image,beach,boat,split\na.jpg,1,0,train\nc.jpg,1,0,test\n")
    page.locator("#reload").click()
    page.wait_for_selector("#grid-part")

    page.select_option("#grid-part", "test")
    assert page.locator(".tile").get_attribute("aria-label") == "c.jpg: beach present"
    page.select_option("#grid-part", "none")
    assert page.locator(".tile").count() == 2


def test_a_photo_of_the_grid_is_shown_large_and_then_alone(page: Any) -> None:
    page.keyboard.press("g")
    page.wait_for_selector(".tile:focus[aria-label^='b #1 100%.jpg']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("z")
    page.wait_for_selector("#large[open] p:has-text('c.jpg. beach: not answered')")
    page.keyboard.press("1")  # not for what is behind
    page.keyboard.press("z")
    assert not page.is_visible("#large")

    page.keyboard.press("g")
    page.wait_for_selector("#name:has-text('c.jpg')")
    page.keyboard.press("g")
    page.wait_for_selector(".tile:focus[aria-label^='c.jpg']")


def test_pictures_of_tiles_that_are_gone_are_no_longer_asked_for(page: Any) -> None:
    page.route("**/app/photos/*?size=320*", lambda route: None)  # a server that is busy
    with page.expect_request("**/app/photos/0?size=320*"):
        page.keyboard.press("g")
    with page.expect_event("requestfailed", lambda request: "/app/photos/0?" in request.url):
        page.fill("#grid-text", "in/")


def test_only_the_tiles_that_are_seen_exist(browser: Any, tmp_path: Path) -> None:
    photos = tmp_path / "many"
    photos.mkdir()
    for number in range(3000):
        (photos / f"{number:04}.jpg").touch()
    with LabelStore(photos) as store:
        store.add_label(Author(), "boat")
        app = create_labeling_app(LabelingState(store, author="", token=TOKEN))
        with listening(app) as (host, port):
            page = browser.new_page(viewport={"width": 1100, "height": 900})
            page.goto(f"http://{host}:{port}/?token={TOKEN}")
            page.wait_for_selector("#labels .answer")
            page.keyboard.press("g")
            page.wait_for_selector(".tile")
            page.locator(".tile").first.focus()
            page.keyboard.press("End")
            page.wait_for_selector(".tile[aria-label^='2999.jpg']")
            assert page.locator(".tile").count() < 150
            page.close()
