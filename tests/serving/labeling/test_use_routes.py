"""What the page asks in order to use models, and who may ask."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from manylabel.annotation.label_store import LabelStore
from manylabel.serving.labeling.app import create_labeling_app
from manylabel.serving.labeling.state import LabelingState
from tests.serving.conftest import listening
from tests.serving.labeling.conftest import TOKEN, Client
from tests.serving.labeling.one_model import BACKBONE, MODEL, NAME, OneModel

SECONDS = 60


@pytest.fixture
def client(photos: Path, shapes_bundle: Path) -> Iterator[Client]:
    """Serve the page with one trained model."""
    models = OneModel(photos.parent / "photos.models", shapes_bundle)
    with LabelStore(photos) as store:
        state = LabelingState(store, author="Ada", token=TOKEN, models=models)
        with listening(create_labeling_app(state)) as (host, port):
            yield Client((host, port), cookie=f"manylabel_0={TOKEN}")
        state.close()


def use(client: Client) -> None:
    """Use the model, and wait until it answers."""
    assert client.post("/app/use", MODEL).status == 200
    end = time.monotonic() + SECONDS
    while client.get("/app/use").json()["use"]["state"] == "starting":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert client.get("/app/use").json()["use"]["state"] == "ready"


def test_a_chosen_model_answers_as_the_served_page_asks(
    client: Client, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    assert client.get("/app/use").json()["use"]["state"] == "none"
    assert client.get("/app/use").json()["command"] is None
    use(client)

    assert client.get("/app/use").json()["command"] == (
        "manylabel serve 'photos.models/model 1/models/squeezenet1_1'"
        if os.name == "posix"
        else 'manylabel serve "photos.models\\model 1\\models\\squeezenet1_1"'
    )
    labels = client.get("/use/labels").json()["labels"]
    assert [label["name"] for label in labels] == ["circle", "square", "triangle"]
    photo = (photos / "a.jpg").read_bytes()
    headers = {"Content-Type": "image/jpeg"}
    answer = client.send("POST", "/use/predict?previews=true", photo, headers)
    assert answer.status == 200
    assert set(answer.json()["photos"][0]["scores"]) == {"circle", "square", "triangle"}
    assert answer.json()["photos"][0]["preview"].startswith("data:image/jpeg")
    answer = client.send("POST", "/use/explain?label=circle", photo, headers)
    assert answer.json()["label"] == "circle"
    refused = client.send("POST", "/use/predict", b"no photo", headers)
    assert refused.status == 422


def test_only_the_open_page_can_use_models(client: Client) -> None:
    stranger = Client(client.address)
    for path in ("/app/use", "/use/", "/use/health", "/app/exports/csv?name=a&backbone=b"):
        assert stranger.get(path).status == 401
    assert stranger.post("/app/use", MODEL).status == 401
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
    ):
        assert client.post("/app/use", MODEL, headers).status == status
        assert client.post("/app/exports", {**MODEL, "kind": "csv"}, headers).status == status
        assert client.send("POST", "/use/predict", b"", headers).status == status
        assert client.post("/app/exports/cancel", {}, headers).status == status
    assert client.get("/app/use").json()["use"]["state"] == "none"


def test_the_served_page_is_framed_by_the_labeling_page_alone(client: Client) -> None:
    page = client.get("/use/")
    assert page.status == 200
    assert page.headers["Content-Security-Policy"].endswith("frame-ancestors 'self'")
    assert client.get("/").headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")


@pytest.mark.parametrize(
    ("path", "values", "detail"),
    [
        ("/app/use", {"name": "../secret", "backbone": BACKBONE}, "has no model"),
        ("/app/use", {"name": NAME, "backbone": "other"}, "has no model 'other'"),
        ("/app/use", {"name": NAME}, "this cannot be read"),
        ("/app/exports", {**MODEL, "kind": "exe"}, "this cannot be read"),
        ("/app/exports", {"name": "..", "backbone": "..", "kind": "csv"}, "has no model"),
        ("/app/exports/cancel", {}, "no file is being made"),
    ],
)
def test_what_is_no_model_is_refused(path: str, values: dict[str, str], detail: str, client: Client) -> None:
    answer = client.post(path, values)

    assert (answer.status, detail in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/use/health", 409),
        ("/use/metrics", 404),
        ("/use/predict", 404),
        ("/app/exports/csv?name=model+1&backbone=squeezenet1_1", 404),
        ("/app/exports/exe?name=model+1&backbone=squeezenet1_1", 422),
    ],
)
def test_what_does_not_answer_says_so(path: str, status: int, client: Client) -> None:
    answer = client.get(path)

    assert answer.status == status
    assert answer.json()["detail"]


def test_predictions_for_all_photos_are_downloaded(client: Client, photos: Path) -> None:
    assert client.post("/app/exports", {**MODEL, "kind": "csv"}).status == 200
    end = time.monotonic() + SECONDS
    while (found := client.get("/app/use").json()["exports"][1])["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)

    assert found["problem"] is None
    assert str(photos.parent) not in str(found)
    answer = client.get("/app/exports/csv?name=model+1&backbone=squeezenet1_1")
    assert "model%201%20squeezenet1_1.csv" in answer.headers["Content-Disposition"]
    assert answer.content.decode().splitlines()[0] == "image,labels,error,circle,square,triangle"
    assert len(answer.content.decode().splitlines()) == 5
