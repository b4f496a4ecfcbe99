"""What people said about each answer."""

from manylabel.annotation.journal import Answer, Entry, RemoveLabel, RenameLabel, SetLabel
from manylabel.annotation.reviewed import Reviewed


def say(
    after: Answer, *, by: str = "Ada", queue: str = "", action: int = 1, label: str = "boat", undoes: int = 0
) -> SetLabel:
    return SetLabel(
        photo="a.jpg",
        label=label,
        before="unknown",
        after=after,
        by=by,
        queue=queue,
        action=action,
        undoes=undoes,
    )


def follow(*entries: Entry) -> Reviewed:
    reviewed = Reviewed(settling="disagreements")
    for n_entries in range(1, len(entries) + 1):
        reviewed.follow(entries[:n_entries])
    return reviewed


def disagreements(*entries: Entry) -> list[tuple[str, dict[str, Answer]]]:
    return [(found.label, found.answers) for found in follow(*entries).disagreements()]


def test_two_people_disagree_by_their_last_answers() -> None:
    first, second = say("present"), say("absent", by="Ben", action=2)

    assert disagreements(first) == []
    assert disagreements(first, second) == [("boat", {"Ada": "present", "Ben": "absent"})]
    assert disagreements(first, second, say("absent", action=3)) == []


def test_one_person_may_change_an_answer_and_unknown_is_no_opinion() -> None:
    assert disagreements(say("present"), say("absent", action=2)) == []
    assert disagreements(say("present"), say("unknown", by="Ben", action=2)) == []


def test_a_disagreement_is_settled_in_its_queue_until_that_is_undone() -> None:
    both = say("present"), say("absent", by="Ben", action=2)
    settled = say("absent", by="Ben", queue="disagreements", action=3)

    assert disagreements(*both, settled) == []
    assert len(disagreements(*both, settled, say("absent", action=4, undoes=3))) == 1
    assert len(disagreements(*both, settled, say("present", by="Eve", action=4))) == 1


def test_an_answer_that_was_undone_was_never_given() -> None:
    both = say("present"), say("absent", by="Ben", action=2)

    assert disagreements(*both, say("present", by="Ben", action=3, undoes=2)) == []


def test_labels_that_are_renamed_keep_what_was_said_and_removed_ones_do_not() -> None:
    both = say("present"), say("absent", by="Ben", action=2)

    assert disagreements(*both, RenameLabel(label="boat", to="ship"))[0][0] == "ship"
    assert disagreements(*both, RemoveLabel(label="boat")) == []


def test_the_queue_of_the_last_answer_is_known() -> None:
    reviewed = follow(say("present", queue="all"), say("present", queue="issues", action=2))

    assert reviewed.queue_of("a.jpg", "boat") == "issues"
    assert reviewed.queue_of("b.jpg", "boat") is None


def test_a_shorter_journal_is_another_one() -> None:
    reviewed = follow(say("present"), say("absent", by="Ben", action=2))
    reviewed.follow([say("present")])

    assert list(reviewed.disagreements()) == []
