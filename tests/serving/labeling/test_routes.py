"""What the labeling page asks, and what it changes."""

from typing import Any

import pytest

from manylabel.annotation.journal import SetLabel, journal_path, read_journal
from tests.serving.labeling.conftest import NAMES, TABLE, Answer, Labeling


def post(labeling: Labeling, path: str, **values: object) -> Answer:
    return labeling.client.post(path, {"client": "1", "since": 0, **values})


def get(labeling: Labeling, since: int | None = None) -> dict[str, Any]:
    answer = labeling.client.get("/app/labels" if since is None else f"/app/labels?since={since}")
    assert answer.status == 200
    found: dict[str, Any] = answer.json()
    return found


def test_everything_is_told_at_first_and_then_what_changed(labeling: Labeling) -> None:
    whole = get(labeling)
    assert (whole["labels"], whole["names"]) == (["beach", "boat"], list(NAMES))
    assert whole["answers"] == {"0": "10", "1": "??", "2": "??", "3": "??"}
    assert whole["table"]["name"] == "labels.csv"

    since = whole["revision"]
    changed = post(labeling, "/app/answers", since=since, answers={"1": {"boat": "present"}}).json()

    assert changed["answers"] == {"1": "?1"}
    assert changed["names"] == []
    assert get(labeling, since=whole["revision"])["answers"] == {"1": "?1"}
    assert get(labeling, since=changed["revision"])["answers"] == {}


def test_the_part_of_each_photo_is_told(labeling: Labeling) -> None:
    assert get(labeling)["parts"] == []
    labeling.table.write_text("image,beach,boat,split\na.jpg,1,0,val\nc.jpg,1,0,test\n")

    told = post(labeling, "/app/reload", since=get(labeling)["revision"]).json()

    assert told["parts"] == ["val", None, "test", None]


def test_a_change_is_on_the_disk_before_its_answer(labeling: Labeling) -> None:
    post(labeling, "/app/answers", queue="all", answers={"1": {"boat": "present"}})

    changes = [entry for entry in read_journal(journal_path(labeling.table)) if isinstance(entry, SetLabel)]
    assert [(one.photo, one.after, one.by, one.queue) for one in changes] == [
        ("b #1 100%.jpg", "present", "Ada", "all")
    ]


def test_the_answer_to_a_change_has_those_of_others(labeling: Labeling) -> None:
    since = get(labeling)["revision"]
    post(labeling, "/app/answers", since=since, answers={"1": {"boat": "present"}}, client="2")
    post(labeling, "/app/labels", since=since, change="remove", label="beach", client="2")

    seen = post(labeling, "/app/answers", since=since, answers={"2": {"boat": "absent"}}).json()

    assert seen["labels"] == ["boat"]
    assert seen["answers"] == {"0": "0", "1": "1", "2": "0", "3": "?"}


def test_labels_are_added_renamed_merged_removed_and_undone(labeling: Labeling) -> None:
    def change(kind: str, label: str, to: str = "") -> list[str]:
        return list(post(labeling, "/app/labels", change=kind, label=label, to=to).json()["labels"])

    assert change("add", '<b>"süß" 海 👍</b>') == ["beach", "boat", '<b>"süß" 海 👍</b>']
    assert change("rename", '<b>"süß" 海 👍</b>', "lake") == ["beach", "boat", "lake"]
    assert change("merge", "boat", "beach") == ["beach", "lake"]
    assert change("remove", "lake") == ["beach"]
    undone = [post(labeling, "/app/undo").json() for _ in range(4)]
    told = [{what: one[what] for what in ("added", "renamed", "removed") if one[what]} for one in undone]
    assert told == [
        {"added": ["lake"]},
        {"added": ["boat"]},
        {"renamed": [["lake", '<b>"süß" 海 👍</b>']]},
        {"removed": ['<b>"süß" 海 👍</b>']},
    ]
    assert sorted(get(labeling)["labels"]) == ["beach", "boat"]
    refused = post(labeling, "/app/undo")
    assert (refused.status, refused.json()["detail"]) == (422, "there is nothing to undo")


def test_undoing_tells_its_own_answers_only(labeling: Labeling) -> None:
    since = get(labeling)["revision"]
    post(labeling, "/app/answers", client="mine", answers={"2": {"boat": "present", "beach": "absent"}})
    post(
        labeling,
        "/app/answers",
        client="another",
        answers={"3": {"boat": "present"}, "2": {"beach": "present"}},
    )

    undone = post(labeling, "/app/undo", client="mine", since=since).json()

    assert undone["answers"] == {"c.jpg": {"boat": "unknown"}}  # beach was answered again since then
    assert undone["changed"]["answers"] == {"2": "1?", "3": "?1"}


def test_a_table_that_was_changed_elsewhere_is_told_and_read_again(labeling: Labeling) -> None:
    labeling.table.write_text(TABLE + "c.jpg,1,1\n")
    post(labeling, "/app/answers", queue="all", answers={"1": {"boat": "present"}})
    labeling.store._writer.write()
    assert get(labeling)["table"]["is_changed_elsewhere"]

    whole = post(labeling, "/app/reload").json()

    assert not whole["table"]["is_changed_elsewhere"]
    assert (whole["answers"]["1"], whole["answers"]["2"]) == ("?1", "11")


def test_a_change_by_another_program_is_told_before_anybody_answers(labeling: Labeling) -> None:
    assert not get(labeling)["table"]["is_changed_elsewhere"]
    labeling.table.write_text(TABLE + "c.jpg,1,1\n")

    assert get(labeling)["table"]["is_changed_elsewhere"]


def test_a_table_that_was_deleted_is_told_and_written_again(labeling: Labeling) -> None:
    labeling.table.unlink()
    assert get(labeling)["table"]["is_missing"]

    whole = post(labeling, "/app/reload").json()

    assert not whole["table"]["is_missing"]
    labeling.store._writer.write()
    assert labeling.table.read_text() == TABLE


def test_what_waits_and_what_was_removed_is_told(labeling: Labeling) -> None:
    post(labeling, "/app/answers", answers={"3": {"beach": "present"}})
    (labeling.photos / "in").rename(labeling.photos.parent / "elsewhere")
    labeling.table.write_text("image,beach\na.jpg,1\n")

    table = post(labeling, "/app/reload").json()["table"]

    assert table["pending"] == [{"photo": "in/d.jpg", "label": "beach", "wanted": "present"}]
    assert table["removed_labels"] == ["boat"]
    assert (table["is_source_changed"], table["is_partial"]) == (False, False)


def test_pictures_are_sent_once_and_again_when_the_file_changed(labeling: Labeling) -> None:
    first = labeling.client.get("/app/photos/1")
    assert (first.status, first.headers["Content-Type"]) == (200, "image/jpeg")
    tag = first.headers["ETag"]
    assert labeling.client.get("/app/photos/1", If_None_Match=tag).status == 304

    (labeling.photos / NAMES[1]).write_bytes((labeling.photos / NAMES[0]).read_bytes())

    again = labeling.client.get("/app/photos/1", If_None_Match=tag)
    assert again.status == 200
    assert again.content != first.content


def test_a_photo_that_is_gone_or_damaged_is_told_without_its_folder(labeling: Labeling) -> None:
    (labeling.photos / "c.jpg").unlink()
    (labeling.photos / "a.jpg").write_bytes(b"no photo")

    for row, reason in ((2, "there is no such file"), (0, "not a photo")):
        answer = labeling.client.get(f"/app/photos/{row}")
        assert answer.status == 422
        assert reason in answer.json()["detail"]
        assert str(labeling.photos) not in answer.content.decode()


@pytest.mark.parametrize(
    ("path", "values", "status", "detail"),
    [
        ("/app/answers", {"answers": {"9": {"boat": "present"}}}, 422, "there is no such photo"),
        ("/app/answers", {"answers": {"-1": {"boat": "present"}}}, 422, "there is no such photo"),
        (
            "/app/answers",
            {"answers": {"0": {"lake": "present"}}},
            422,
            "no label 'lake'; there are: beach",
        ),
        ("/app/answers", {"answers": {"0": {"boat": "maybe"}}}, 422, "this cannot be read: Invalid enum"),
        ("/app/answers", {"answers": [], "x": 1}, 422, "this cannot be read"),
        ("/app/labels", {"change": "add", "label": "boat"}, 422, "there is a label 'boat' already"),
        ("/app/labels", {"change": "add", "label": " "}, 422, "empty name"),
        ("/app/labels", {"change": "sell", "label": "boat"}, 422, "this cannot be read"),
    ],
)
def test_what_cannot_be_changed_is_refused_in_a_sentence(
    path: str, values: dict[str, object], status: int, detail: str, labeling: Labeling
) -> None:
    answer = post(labeling, path, **values)

    assert (answer.status, detail in answer.json()["detail"]) == (status, True)
    assert get(labeling)["answers"]["0"] == "10"


@pytest.mark.parametrize("path", ["/app/photos/4", "/app/photos/-1", "/app/photos/0?size=33"])
def test_there_are_pictures_of_the_photos_only(path: str, labeling: Labeling) -> None:
    assert labeling.client.get(path).status == 404
