"""Models trained in full from the labeling page: with a stand-in for the process that trains."""

import sys
import time
from typing import Any

import pytest

from manylabel.live_model import trainer as trainer_module
from tests.serving.labeling.conftest import Labeling

SECONDS = 20

# Writes a report where the run belongs.
TRAINER = """
import sys
from pathlib import Path
from manylabel.live_model.messages import *
from manylabel.live_model.pipes import *
order = receive(sys.stdin.buffer, TO_TRAINER)
send(sys.stdout.buffer, Stage(subject="photos", stage="reading", done=1, total=4))
Path(order.out).mkdir(parents=True)
(Path(order.out) / "report.html").write_text(f"<title>{len(order.photos)} {order.labels}</title>")
send(sys.stdout.buffer, Trained())
"""


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stand-in train, on as few photos as there are."""
    monkeypatch.setattr(trainer_module, "COMMAND", (sys.executable, "-c", TRAINER))
    monkeypatch.setattr("manylabel.serving.labeling.training_routes._FEWEST_PHOTOS", 1)


def order(labeling: Labeling, **changes: object) -> Any:
    values = {"name": "first", "backbones": ["efficientnet_lite0"], **changes}
    return labeling.client.post("/app/training", values)


def wait_until_done(labeling: Labeling) -> Any:
    end = time.monotonic() + SECONDS
    while (training := labeling.client.get("/app/training").json())["state"] == "running":
        assert time.monotonic() < end, training
        time.sleep(0.05)
    return training


@pytest.mark.usefixtures("trained")
def test_a_model_is_trained_and_its_report_is_a_page_that_reaches_nothing(labeling: Labeling) -> None:
    assert labeling.client.get("/app/training").json()["state"] == "none"

    assert order(labeling).json()["state"] == "running"
    assert wait_until_done(labeling)["state"] == "done"

    report = labeling.client.get("/app/models/first/report")
    assert report.content == b"<title>4 ['beach', 'boat']</title>"
    policy = report.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert (labeling.photos.parent / "photos.models" / "first").is_dir()


@pytest.mark.usefixtures("trained")
def test_a_name_is_used_once(labeling: Labeling) -> None:
    order(labeling)
    wait_until_done(labeling)

    answer = order(labeling)

    assert answer.status == 422
    assert answer.json()["detail"] == "there is a model 'first' already; choose another name"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../first"},
        {"name": ""},
        {"backbones": []},
        {"backbones": ["timm/resnet18"]},
        {"backbones": ["efficientnet_lite0"] * 5},
        {"other": 1},
    ],
)
@pytest.mark.usefixtures("trained")
def test_what_cannot_be_trained_is_refused(labeling: Labeling, changes: dict[str, object]) -> None:
    assert order(labeling, **changes).status == 422
    assert labeling.client.get("/app/training").json()["state"] == "none"


def test_few_photos_are_not_trained_on(labeling: Labeling) -> None:
    answer = order(labeling)

    assert answer.status == 422
    assert answer.json()["detail"] == "1 photo with answers so far; training needs at least 20"


def test_what_is_not_there_is_told(labeling: Labeling) -> None:
    assert labeling.client.get("/app/models").json() == []
    assert labeling.client.get("/app/models/none/report").status == 404
    assert labeling.client.get("/app/models/..%2Fphotos/report").status == 404
    assert labeling.client.post("/app/training/cancel", {}).status == 422
