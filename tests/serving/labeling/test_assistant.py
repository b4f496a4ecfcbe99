"""What helps people label: with a stand-in for the process that learns."""

import base64
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.annotation.author import Author
from manylabel.annotation.label_store import LabelStore
from manylabel.serving.labeling.app import create_labeling_app
from manylabel.serving.labeling.assistant import Assistance, Assistant
from manylabel.serving.labeling.state import LabelingState
from tests.serving.conftest import listening
from tests.serving.labeling.conftest import TABLE, TOKEN, Client, Labeling

SECONDS = 20

# Says that every label is present with 0.75, and that the first photo's boat is an issue.
WORKER = """
import sys
import numpy as np
from manylabel.live_model.messages import *
from manylabel.live_model.pipes import *
source, sink = sys.stdin.buffer, sys.stdout.buffer
n = len(receive(source, TO_WORKER).photos)
send(sink, Seen(n_done=n, n_photos=n))
send(sink, Duplicates(groups=list(range(n))))
while (message := receive(source, TO_WORKER)) is not None:
    if isinstance(message, FindSimilar):
        send(sink, Similar(row=message.row, rows=[message.row]))
        continue
    values = np.full((n, len(message.labels)), 0.75, dtype="<f4")
    values[-1] = np.nan
    issues = [Issue(row=0, label="boat", given=0, probability=0.75, neighbors=[1])]
    estimate = Estimate(n_photos=12, mean_average_precision=0.8, low=0.7, high=0.9, nearest_neighbors=0.6, label_prior=0.3)
    send(sink, Scores(revision=message.revision, labels=message.labels, probabilities=values.tobytes(),
                      estimate=estimate, issues=issues, suggested=[2, 3], seconds=0.1))
"""


@pytest.fixture
def assisted(photos: Path, tmp_path: Path) -> Iterator[Labeling]:
    """Serve the page, with help."""
    table = tmp_path / "labels.csv"
    table.write_text(TABLE)
    assistance = Assistance(cache=tmp_path, command=(sys.executable, "-c", WORKER))
    with LabelStore(photos, table) as store:
        assistant = Assistant(store, assistance)
        state = LabelingState(store, author="Ada", token=TOKEN, assistant=assistant)
        with listening(create_labeling_app(state)) as (host, port):
            client = Client((host, port), cookie=f"manylabel_0={TOKEN}")
            url = f"http://{host}:{port}"
            yield Labeling(url=url, client=client, store=store, photos=photos, table=table)
        assistant.close()


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
