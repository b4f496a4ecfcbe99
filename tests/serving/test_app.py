"""The HTTP interface: what is asked, what is answered, what is refused."""

import asyncio
import base64
import errno
import http.client
import io
import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from manylabel.apply import predict
from manylabel.bundle.tables import ThresholdSource
from manylabel.data.photos import open_photo_bytes
from manylabel.errors import EngineError
from manylabel.io.files import file_sha256
from manylabel.serving.app import create_app
from manylabel.serving.limits import ServeLimits
from manylabel.serving.served import Prediction, ServedBundle, Upload
from manylabel.types import LabelTable
from tests.serving.conftest import listening

pytest.importorskip("openvino")


def app_of(
    bundle: Path,
    *,
    limits: ServeLimits | None = None,
    token: str | None = None,
    thresholds: ThresholdSource | None = None,
) -> FastAPI:
    """Serve a bundle under two names."""
    limits = ServeLimits() if limits is None else limits
    served = [
        ServedBundle(name, bundle, limits=limits, thresholds=thresholds) for name in ("first", "second")
    ]
    return create_app(served, limits=limits, token=token)


def client_of(
    bundle: Path,
    *,
    limits: ServeLimits | None = None,
    token: str | None = None,
    thresholds: ThresholdSource | None = None,
) -> TestClient:
    """Return a client of such a server."""
    app = app_of(bundle, limits=limits, token=token, thresholds=thresholds)
    return TestClient(app, base_url="http://localhost")


@pytest.fixture(scope="module")
def client(shapes_bundle: Path) -> Iterator[TestClient]:
    """Return a client of a server with the usual limits."""
    with client_of(shapes_bundle) as client:
        yield client


def form_of(*photos: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("photos", photo) for photo in photos]


def png(side_px: int = 32, color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side_px, side_px), color).save(file, "PNG")
    return file.getvalue()


def test_many_photos_get_what_predict_says(
    client: TestClient, shapes_bundle: Path, shapes_table: LabelTable
) -> None:
    photos = [(path.name, path.read_bytes()) for path in shapes_table.photos]
    answer = client.post("/predict", files=form_of(*photos))
    expected = predict(shapes_bundle, shapes_table.photos)

    assert answer.status_code == 200
    said = answer.json()
    assert said["model"] == "first"
    assert list(said["thresholds"]) == list(expected.scores.labels)
    assert [photo["image"] for photo in said["photos"]] == [name for name, _ in photos]
    scores = [[photo["scores"][label] for label in expected.scores.labels] for photo in said["photos"]]
    # Batches of other photos round 16-bit numbers in another order.
    np.testing.assert_allclose(scores, expected.scores.values, atol=0.05)
    for photo in said["photos"]:
        given = [label for label, score in photo["scores"].items() if score >= said["thresholds"][label]]
        assert sorted(photo["labels"]) == sorted(given)


def test_one_photo_may_be_the_whole_body(client: TestClient) -> None:
    answer = client.post("/predict", content=png(), headers={"Content-Type": "image/png"})
    assert answer.status_code == 200
    assert answer.json()["photos"][0]["image"] == "photo"


def test_a_bad_photo_is_named_and_the_others_are_answered(client: TestClient) -> None:
    answer = client.post(
        "/predict", files=form_of(("a.png", png()), ("b.png", b"no photo"), ("c.png", png()))
    )
    assert answer.status_code == 200
    good, bad, other = answer.json()["photos"]
    assert good["scores"] == other["scores"] != {}
    assert (bad["image"], bad["scores"]) == ("b.png", {})
    assert bad["error"].startswith("it is not a photo in a known format")
    assert good["error"] is other["error"] is None


def test_photos_none_of_which_can_be_read_are_refused(client: TestClient) -> None:
    answer = client.post("/predict", files=form_of(("a.png", b"no photo"), ("b.png", b"neither")))
    assert answer.status_code == 422
    assert [bool(photo["error"]) for photo in answer.json()["photos"]] == [True, True]


def part_of(head: str, content: bytes) -> bytes:
    """Return a part of a form with the boundary x."""
    return f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("name=\"photos\"; filename*=UTF-8''h%E1%BB%93.png", "names its file by filename*= alone"),
        ("name=\"photos\"; FileName* = UTF-8''a.png", "names its file by filename*= alone"),
        ('name="photos"', "field 'photos' is not a file"),
    ],
)
def test_a_photo_that_is_no_file_of_the_form_is_told(head: str, said: str, client: TestClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    # Longer than a field may be.
    content = png() if "filename" not in head.lower() else png() * 20_000
    answer = client.post("/predict", content=part_of(head, content) + b"--x--\r\n", headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_a_file_with_both_names_has_the_plain_one(client: TestClient) -> None:
    body = part_of('name="photos"; filename="a.png"; filename*=UTF-8\'\'b.png', png()) + b"--x--\r\n"
    answer = client.post(
        "/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 200
    assert answer.json()["photos"][0]["image"] == "a.png"


def test_a_form_that_ends_too_early_is_told(client: TestClient) -> None:
    whole = part_of('name="photos"; filename="a.png"', png())
    for body in (whole[:-40], whole, whole + b"--x"):
        answer = client.post(
            "/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert answer.status_code == 400
        assert "the form ends without its closing boundary" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"", "image/png", 422, "the body is empty"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "the form holds no file"),
        (b"rubbish", "multipart/form-data", 400, "boundary"),
    ],
)
def test_a_request_without_a_photo_is_refused(
    content: bytes, kind: str, status: int, said: str, client: TestClient
) -> None:
    answer = client.post("/predict", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_bundles_are_chosen_by_name(client: TestClient) -> None:
    assert client.get("/labels?model=second").json()["model"] == "second"
    missing = client.get("/labels?model=third")
    assert missing.status_code == 404
    assert missing.json()["detail"] == "no bundle 'third' is served; there are: first, second"


def test_labels_come_with_their_thresholds(client: TestClient) -> None:
    said = client.get("/labels").json()
    assert [label["name"] for label in said["labels"]] == ["circle", "square", "triangle"]
    assert all(0 <= label["threshold"] <= 1 for label in said["labels"])
    assert said["constraints"] == []


def test_thresholds_of_the_operator_are_used(shapes_bundle: Path) -> None:
    served = ServedBundle("first", shapes_bundle, thresholds={"circle": 1.0, "square": 0.0})
    with TestClient(create_app([served]), base_url="http://localhost") as client:
        said = client.post("/predict", content=png()).json()
    assert (said["thresholds"]["circle"], said["thresholds"]["square"]) == (1.0, 0.0)
    assert "square" in said["photos"][0]["labels"]
    assert "circle" not in said["photos"][0]["labels"]


def test_the_server_says_that_it_is_well(client: TestClient) -> None:
    said = client.get("/health").json()
    assert said["status"] == "ok"
    assert list(said["models"]) == ["first", "second"]
    assert said["models"]["first"].startswith("OpenVINO")


def test_a_heat_map_covers_the_photo(client: TestClient, shapes_table: LabelTable) -> None:
    content = shapes_table.photos[7].read_bytes()
    answer = client.post("/explain?label=circle", content=content)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["label"], said["box"]) == ("circle", [0, 0, 1, 1])
    assert np.array(said["map"]).shape == (7, 7)
    photo = client.post("/predict", content=content).json()["photos"][0]
    assert said["score"] == photo["scores"]["circle"]
    assert said["is_given"] == ("circle" in photo["labels"])
    assert said["layer"] is photo["preview"] is None


def test_a_heat_map_comes_as_a_picture_of_the_seen_part_where_asked_for(client: TestClient) -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 100), "red").save(file, "PNG")
    said = client.post("/explain?label=circle&layer=true", content=file.getvalue()).json()
    layer = picture_of(said["layer"], "image/png")
    assert (layer.size, layer.mode) == ((480, 160), "P")
    assert layer.has_transparency_data


@pytest.mark.parametrize("form", ["TIFF", "PNG", "JPEG"])
def test_a_small_picture_of_a_photo_comes_where_asked_for(form: str, client: TestClient) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1200, 900), "red").save(file, form)
    answer = client.post("/predict?previews=true", files=form_of(("a", file.getvalue()), ("b", b"no photo")))
    good, bad = answer.json()["photos"]
    preview = picture_of(good["preview"], "image/jpeg")
    assert preview.width <= 480
    assert preview.width / preview.height == pytest.approx(4 / 3, abs=0.02)
    assert bad["preview"] is None


def picture_of(address: str, kind: str) -> Image.Image:
    """Open the picture in a data address."""
    head, encoded = address.split(",")
    assert head == f"data:{kind};base64"
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


@pytest.mark.parametrize("step", [-1e-6, 1e-6])
def test_an_explanation_decides_as_predictions_do(
    shapes_bundle: Path, shapes_table: LabelTable, step: float
) -> None:
    content = shapes_table.photos[7].read_bytes()
    first = ServedBundle("first", shapes_bundle)
    (said,) = asyncio.run(first.predict([Upload(name="a", data=content)]))
    assert isinstance(said, Prediction)
    near = dict(zip(first.labels, np.clip(said.scores + step, 0, 1).tolist(), strict=True))
    first.close()
    with client_of(shapes_bundle, thresholds=near) as client:
        found = [client.post(f"/explain?label={label}", content=content).json() for label in near]
    assert [answer["is_given"] for answer in found] == 3 * [step < 0]


@pytest.mark.parametrize(
    ("query", "content", "status", "said"),
    [
        ("label=moon", png(), 404, "no label 'moon'; there are: circle, square, triangle"),
        ("", png(), 400, "say which label to explain"),
        ("label=circle", b"no photo", 422, "photo: it is not a photo"),
    ],
)
def test_a_heat_map_of_nothing_is_refused(
    query: str, content: bytes, status: int, said: str, client: TestClient
) -> None:
    answer = client.post(f"/explain?{query}", content=content)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_one_photo_is_explained_at_a_time(client: TestClient) -> None:
    answer = client.post("/explain?label=circle", files=form_of(("a.png", png()), ("b.png", png())))
    assert answer.status_code == 400
    assert answer.json()["detail"] == "one photo is explained at a time, not 2"


def test_heat_maps_that_cannot_be_had_are_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise EngineError("OpenVINO cannot take this model")

    monkeypatch.setattr(ServedBundle, "explain", refuse)
    answer = client.post("/explain?label=circle", content=png())
    assert answer.status_code == 404
    assert "no heat maps of this bundle here: OpenVINO cannot take" in answer.json()["detail"]


def test_photos_are_scored_while_others_are_explained(
    shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr("manylabel.serving.served.open_split_model", lambda _: release.wait(20) and None)
    with client_of(shapes_bundle) as client:
        asking = [
            threading.Thread(target=client.post, args=("/explain?label=circle",), kwargs={"content": png()})
            for _ in range(8)
        ]
        for thread in asking:
            thread.start()
        answer = client.post("/predict", content=png())
        release.set()
        for thread in asking:
            thread.join()
    assert answer.status_code == 200


def test_few_heat_maps_wait_at_a_time_and_predictions_do_not_wait_for_them(
    shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr("manylabel.serving.served.open_split_model", lambda _: release.wait(20) and None)
    found: list[int] = []

    def ask(client: TestClient) -> None:
        found.append(client.post("/explain?label=circle", content=png()).status_code)

    with client_of(shapes_bundle, limits=ServeLimits(photos=1, waiting=1)) as client:
        asking = [threading.Thread(target=ask, args=(client,)) for _ in range(9)]
        for thread in asking:
            thread.start()
        while 503 not in found:
            time.sleep(0.01)
        answer = client.post("/predict", content=png())
        release.set()
        for thread in asking:
            thread.join()
    assert answer.status_code == 200
    assert sorted(found) == [404] * 8 + [503]


def test_heat_maps_of_a_bundle_that_was_trained_anew_meanwhile_are_refused(
    shapes_bundle: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))
    with client_of(bundle) as client:
        facts_file, thresholds = bundle / "results.json", bundle / "thresholds.csv"
        thresholds.write_text(thresholds.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        facts["sha256"]["thresholds.csv"] = file_sha256(thresholds)
        facts_file.write_text(json.dumps(facts), encoding="utf-8")
        answer = client.post("/explain?label=circle", content=png())
    assert answer.status_code == 404
    assert "has changed on disk since the server started" in answer.json()["detail"]


def test_requests_are_named(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "manylabel"):
        own = client.get("/health", headers={"X-Request-ID": "mine-1.a"})
    assert own.headers["X-Request-ID"] == "mine-1.a"
    (line,) = [record.getMessage() for record in caplog.records if "mine-1.a" in record.getMessage()]
    assert re.fullmatch(r"mine-1\.a GET /health 200 \d+ ms", line)
    for odd in ("", "with space", "x" * 65):
        assert len(client.get("/health", headers={"X-Request-ID": odd}).headers["X-Request-ID"]) == 16


def test_requests_and_photos_are_counted_by_known_paths(shapes_bundle: Path) -> None:
    with client_of(shapes_bundle) as client:
        client.post("/predict", files=form_of(("a.png", png()), ("b.png", b"no photo")))
        client.get("/secret/1")
        client.get("/secret/2")
        text = client.get("/metrics").text
    assert 'manylabel_photos_total{model="first",outcome="scored"} 1.0' in text
    assert 'manylabel_photos_total{model="first",outcome="unreadable"} 1.0' in text
    assert 'manylabel_requests_total{path="/predict",status="200"} 1.0' in text
    assert 'manylabel_requests_total{path="other",status="404"} 2.0' in text
    assert "secret" not in text


def test_a_token_guards_everything_but_the_page_and_the_health(shapes_bundle: Path) -> None:
    with client_of(shapes_bundle, token="pass") as client:
        for path in ("/labels", "/metrics"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer pas"}).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer pass"}).status_code == 200
        refused = client.post("/predict", content=png())
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert client.post("/explain?label=circle", content=png()).status_code == 401
        assert client.get("/health").status_code == client.get("/").status_code == 200


@pytest.mark.parametrize("is_promised", [True, False])
def test_a_body_that_is_too_large_is_refused(is_promised: bool, shapes_bundle: Path) -> None:
    body = b"x" * 20_000
    with client_of(shapes_bundle, limits=ServeLimits(request_mb=0.01)) as client:
        content = body if is_promised else iter([body[:15_000], body[15_000:]])
        answer = client.post("/predict", content=content)
    assert answer.status_code == 413
    assert "a request may have at most 0.01 MB" in answer.json()["detail"]


def test_bodies_are_bounded_together(shapes_bundle: Path) -> None:
    begun, release = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"x" * 6000
        begun.set()
        release.wait(20)
        yield b"x"

    limits = ServeLimits(request_mb=0.01, body_mb=0.01)
    with listening(app_of(shapes_bundle, limits=limits)) as (host, port):
        first = http.client.HTTPConnection(host, port)
        sending = threading.Thread(target=first.request, args=("POST", "/predict", slowly()))
        sending.start()
        begun.wait(20)
        time.sleep(0.5)  # what was sent has to arrive
        second = http.client.HTTPConnection(host, port)
        second.request("POST", "/predict", b"x" * 6000)
        refused = second.getresponse()
        said = refused.read()
        release.set()
        sending.join()
        assert first.getresponse().status == 422
        second.request("POST", "/predict", b"x" * 6000)
        assert second.getresponse().status == 422
        first.close()
        second.close()
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert b"0.01 MB are being received already" in said


def test_too_many_photos_and_too_many_pixels_are_refused(shapes_bundle: Path) -> None:
    with client_of(shapes_bundle, limits=ServeLimits(photos=2, megapixels=0.01)) as client:
        many = client.post("/predict", files=form_of(*[(f"{n}.png", png()) for n in range(3)]))
        large = client.post("/predict", files=form_of(("large.png", png(101)), ("small.png", png(99))))
    assert many.status_code == 400
    assert many.json()["detail"] == "a request may have at most 2 photos; send fewer"
    assert large.status_code == 200
    refused, read = large.json()["photos"]
    assert refused["error"] == "it has more than 0.01 million pixels"
    assert read["error"] is None


def test_more_than_may_wait_is_refused_with_a_time_to_come_back(shapes_bundle: Path) -> None:
    release = threading.Event()
    read = open_photo_bytes

    def read_later(*words: Any, **options: Any) -> Image.Image:
        release.wait(20)
        return read(*words, **options)

    with (
        client_of(shapes_bundle, limits=ServeLimits(waiting=3, photos=2)) as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("manylabel.serving.served.open_photo_bytes", read_later)
        two = form_of(*[(f"{n}.png", png()) for n in range(2)])
        first = threading.Thread(target=client.post, args=("/predict",), kwargs={"files": two})
        first.start()
        while "manylabel_photos_waiting 2.0" not in client.get("/metrics").text:
            pass
        answer = client.post("/predict", files=two)
        release.set()
        first.join()
        again = client.post("/predict", files=two)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert "2 photos are already waiting, and at most 3 may" in answer.json()["detail"]
    assert again.status_code == 200


def test_what_takes_too_long_is_refused(shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(*_: object, **__: object) -> list[object]:
        await asyncio.sleep(5)
        return []

    monkeypatch.setattr(ServedBundle, "predict", sleep)
    with client_of(shapes_bundle, limits=ServeLimits(seconds=0.05)) as client:
        answer = client.post("/predict", content=png())
        text = client.get("/metrics").text
    assert answer.status_code == 503
    assert "not ready within 0.05 s" in answer.json()["detail"]
    assert "manylabel_photos_waiting 0.0" in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(
            ("GET", path, 200)
            for path in ("/", "/health", "/metrics", "/labels", "/openapi.json", "/static/main.js")
        ),
        *(("HEAD", path, 200) for path in ("/", "/health", "/static/main.js")),
        *(
            ("GET", path, 404)
            for path in ("/docs", "/redoc", "/labels/", "/static", "/static/", "/static/nope", "/x")
        ),
        *(("GET", path, 404) for path in ("/static/..%2fapp.py", "/static/%00", "/labels?model=x")),
        *(("POST", path, 422) for path in ("/predict", "/explain?label=circle", "/predict?previews=x")),
        *(("POST", path, 405) for path in ("/labels", "/", "/static/main.js")),
        *(("OPTIONS", path, 405) for path in ("/predict", "/explain")),
        ("GET", "/predict", 405),
        ("POST", "/explain", 400),
    ],
)
def test_every_answer_is_safe_in_a_browser(method: str, path: str, status: int, client: TestClient) -> None:
    answer = client.request(method, path, follow_redirects=False)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert policy.startswith(
        "default-src 'self';" if path == "/" and status == 200 else "default-src 'none';"
    )
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Location" not in answer.headers


def test_refused_requests_are_safe_in_a_browser_and_named(client: TestClient) -> None:
    refused = [
        client.get("/labels", headers={"Host": "evil.example"}),
        client.post("/predict", content=png(), headers={"Origin": "http://evil.example"}),
        client.post("/predict", headers={"Content-Length": "99000000"}),
    ]
    assert [answer.status_code for answer in refused] == [421, 403, 413]
    for answer in refused:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert len(answer.headers["X-Request-ID"]) == 16


def test_what_is_not_served_is_told(client: TestClient) -> None:
    assert client.get("/labels/").json() == {
        "detail": "nothing is served at '/labels/'; /openapi.json lists what is"
    }
    assert client.get("/predict").json()["detail"].startswith("'/predict' does not take 'GET'")
    assert client.get("/" + "x" * 2000).json()["detail"].count("x") == 99


def test_a_failure_of_ours_is_told_and_logged(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ValueError("a mistake")

    monkeypatch.setattr(ServedBundle, "predict", fail)
    answer = client.post("/predict", content=png(), headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "mine")
    assert answer.json()["detail"] == "the server failed; its log tells why"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert any(record.exc_info and "a mistake" in str(record.exc_info[1]) for record in caplog.records)


def test_a_full_temporary_folder_stops_no_upload(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile._TemporaryFileWrapper", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    file = io.BytesIO()
    Image.effect_noise((1200, 1200), 90).convert("RGB").save(
        file, "BMP"
    )  # more than stays in memory elsewhere
    answer = client.post("/predict", files=form_of(("a.bmp", file.getvalue())))
    assert answer.status_code == 200


def test_a_full_disk_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ServedBundle, "predict", fail)
    answer = client.post("/predict", content=png())
    assert answer.status_code == 507
    assert (
        answer.json()["detail"] == "a disk of the server, or its temporary folder, is full; tell its operator"
    )


def test_the_page_comes_with_everything_it_needs(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    names = ["main.js", "api.js", "csv.js", "heatmap.js", "style.css", "icon.svg"]
    for name in names:
        assert client.get(f"/static/{name}").status_code == 200
    assert "http" not in page.text.replace('xmlns="http', "")
    assert client.get("/static/../app.py").status_code == 404
    tag = client.get("/static/main.js").headers["ETag"]
    unchanged = client.get("/static/main.js", headers={"If-None-Match": f"W/{tag}"})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_constraints_are_obeyed_and_told(shapes_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    config |= {"format_version": 2, "rules": {"at_least_one": ["circle | square | triangle"]}}
    (bundle / "config.json").write_text(json.dumps(config), encoding="utf-8")
    facts = json.loads((bundle / "results.json").read_text(encoding="utf-8"))
    facts["sha256"]["config.json"] = file_sha256(bundle / "config.json")
    (bundle / "results.json").write_text(json.dumps(facts), encoding="utf-8")
    with client_of(bundle) as client:
        assert client.get("/labels").json()["constraints"] == ["circle | square | triangle"]
        assert client.post("/predict", content=png(color="white")).json()["photos"][0]["labels"]
