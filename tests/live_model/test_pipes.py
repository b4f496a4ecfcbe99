"""Messages from one process to another."""

import io

import pytest

from manylabel.live_model.messages import FROM_WORKER, TO_WORKER, Failed, FindSimilar, Learn, Open, Seen
from manylabel.live_model.pipes import receive, send


def test_messages_arrive_as_they_were_sent() -> None:
    sent = [
        Open(photos=["/a b.jpg"], model=None, cache="/c"),
        Learn(revision=3, labels=["é"], targets=b"\0\1"),
        FindSimilar(row=2),
    ]
    pipe = io.BytesIO()
    for message in sent:
        send(pipe, message)
    pipe.seek(0)

    assert [receive(pipe, TO_WORKER) for _ in sent] == sent
    assert receive(pipe, TO_WORKER) is None


@pytest.mark.parametrize("n_bytes", [0, 3, 8, 12])
def test_half_a_message_is_none(n_bytes: int) -> None:
    pipe = io.BytesIO()
    send(pipe, Failed(problem="no weights"))

    assert receive(io.BytesIO(pipe.getvalue()[:n_bytes]), FROM_WORKER) is None


def test_a_message_of_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="a message of"):
        receive(io.BytesIO(b"\xff" * 8), FROM_WORKER)


def test_both_ends_know_their_own_messages_only() -> None:
    pipe = io.BytesIO()
    send(pipe, Seen(n_done=1, n_photos=2))
    pipe.seek(0)

    with pytest.raises(ValueError, match="Invalid value"):
        receive(pipe, TO_WORKER)
