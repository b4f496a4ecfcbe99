"""Requests and photos that nobody would send on purpose: no answer is 500, and none is missing."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features
from starlette.applications import Starlette
from starlette.routing import Mount

from manylabel.serving.app import create_app
from manylabel.serving.hosts import AllowedHosts
from manylabel.serving.limits import ServeLimits
from manylabel.serving.served import ServedBundle

pytest.importorskip("openvino")
schemathesis = pytest.importorskip("schemathesis")

FORMS = (
    *("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"),
    *(form for form, name in (("AVIF", "avif"), ("JPEG2000", "jpg_2000")) if features.check(name)),
)


@pytest.fixture(scope="module")
def client(shapes_bundle: Path) -> Iterator[TestClient]:
    """Return a client of a server that refuses large photos."""
    limits = ServeLimits(megapixels=1, request_mb=2, photos=8, seconds=20)
    app = create_app([ServedBundle("shapes", shapes_bundle, limits=limits)], limits=limits)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def photos_of_every_form() -> dict[str, bytes]:
    photo = Image.fromarray(np.random.default_rng(0).integers(256, size=(40, 50, 3), dtype=np.uint8))
    files = {}
    for form in FORMS:
        file = io.BytesIO()
        photo.save(file, form)
        files[form] = file.getvalue()
    return files


PHOTOS = photos_of_every_form()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=6),
    kept=st.floats(0, 1),
)
def test_a_damaged_photo_is_read_or_refused(
    form: str, edits: list[tuple[float, bytes]], kept: float, client: TestClient
) -> None:
    content = bytearray(PHOTOS[form])
    for place, new in edits:
        start = int(place * (len(content) - 1))
        content[start : start + len(new)] = new
    content = content[: max(1, int(kept * len(content)))]
    answer = client.post(
        "/predict", files=[("photos", ("a", bytes(content))), ("photos", ("b", PHOTOS["PNG"]))]
    )
    assert answer.status_code == 200
    damaged, good = answer.json()["photos"]
    assert (damaged["error"] is None) == bool(damaged["scores"])
    assert good["error"] is None


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=400),
    kind=st.sampled_from(["multipart/form-data; boundary=x", "image/png", "text/html", "x"]),
)
def test_any_body_is_answered(body: bytes, kind: str, client: TestClient) -> None:
    prefix = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a"\r\n\r\n'
    for content in (body, prefix + body, prefix + body + b"\r\n--x--\r\n"):
        answer = client.post("/predict", content=content, headers={"Content-Type": kind})
        assert answer.status_code in (200, 400, 422)


def test_the_description_holds_what_it_promises(shapes_bundle: Path) -> None:
    hosts = AllowedHosts(names=["testserver"])  # the name that schemathesis gives the app
    app = create_app([ServedBundle("shapes", shapes_bundle)], token="pass", hosts=hosts)
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    # Behind a route, the app goes on between requests: some versions of schemathesis end an app after each.
    schema = schemathesis.openapi.from_asgi("/openapi.json", Starlette(routes=[Mount("/", app)]))
    for result in schema.get_all_operations():
        operation = result.ok()
        # Any bytes fit the description of a photo; most of them are none, and are refused with 422.

        @settings(max_examples=30, deadline=None)
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(
                headers={"Authorization": "Bearer pass"}, excluded_checks=[positive_data_acceptance]
            )

        ask()
