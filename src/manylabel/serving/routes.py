"""The routes of the server and their answers, as the OpenAPI document describes them.

In:  requests.
Out: answers as JSON.

    POST /predict   one or many photos: labels, probabilities, thresholds
    POST /explain   one photo and a label: a heat map
    GET  /labels    the labels of a bundle
    GET  /health    whether the server is well
    GET  /metrics   counters, for Prometheus
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from manylabel import __version__
from manylabel.data.photos import data_uri
from manylabel.errors import ManylabelError, PhotoError
from manylabel.serving.served import Prediction, Upload
from manylabel.serving.state import Server, check_token
from manylabel.serving.uploads import BODY, read_uploads


class PhotoAnswer(BaseModel):
    """The prediction for one photo."""

    image: str = Field(description="Name of the file, as it was sent.")
    labels: list[str] = Field(description="The predicted labels, the most probable first; may be empty.")
    scores: dict[str, float] = Field(
        description="The probability of every label; empty where it was not read."
    )
    error: str | None = Field(
        default=None,
        description="Why the photo could not be read; null where it was. The other photos are answered.",
    )
    preview: str | None = Field(
        default=None,
        description="A small JPEG of the photo as a data: address, where ?previews=true asks for it.",
    )


class PredictAnswer(BaseModel):
    """The predictions for the photos of a request."""

    model: str = Field(description="Name of the bundle.")
    thresholds: dict[str, float] = Field(description="The lowest score at which a label is predicted.")
    photos: list[PhotoAnswer] = Field(description="In the order in which they were sent.")


class ExplainAnswer(BaseModel):
    """The heat map of a label in a photo."""

    model: str = Field(description="Name of the bundle.")
    image: str = Field(description="Name of the file, as it was sent.")
    label: str = Field(description="The label that is explained.")
    score: float = Field(description="Its probability, as /predict gives it.")
    is_given: bool = Field(description="Whether /predict predicts it.")
    box: tuple[float, float, float, float] = Field(
        description="The part of the photo that the model saw: left, upper, right, lower as shares of it."
    )
    map: list[list[float]] = Field(
        description="Rows of patches: how much the label's logit falls where a patch is occluded."
    )
    layer: str | None = Field(
        default=None,
        description="The map as a PNG to lay over the box, a data: address, where ?layer=true asks for it.",
    )


class LabelAnswer(BaseModel):
    """A label."""

    name: str
    threshold: float = Field(description="The lowest score at which it is predicted.")


class LabelsAnswer(BaseModel):
    """The labels of a bundle."""

    model: str = Field(description="Name of the bundle.")
    labels: list[LabelAnswer]
    constraints: list[str] = Field(description="Constraints among the labels, which predictions obey.")


class HealthAnswer(BaseModel):
    """Whether the server is well."""

    status: str
    version: str = Field(description="Version of manylabel.")
    models: dict[str, str] = Field(description="Every bundle, and the engine that runs it.")
    most_photos: int = Field(description="Largest number of photos in a request.")
    most_bytes: int = Field(description="Largest size of a request, in bytes.")


class ErrorAnswer(BaseModel):
    """Why a request was refused."""

    detail: str


_DIGITS = 6

_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The form is malformed, or holds too many files."},
    401: {"model": ErrorAnswer, "description": "The token is missing or wrong."},
    403: {"model": ErrorAnswer, "description": "The request comes from a page of another site."},
    404: {"model": ErrorAnswer, "description": "There is no such bundle or label."},
    408: {"model": ErrorAnswer, "description": "The request comes too slowly."},
    413: {"model": ErrorAnswer, "description": "The request is too large."},
    421: {"model": ErrorAnswer, "description": "The server does not answer to the name in the Host header."},
    503: {"model": ErrorAnswer, "description": "The server is busy; see Retry-After."},
    507: {"model": ErrorAnswer, "description": "A disk of the server is full."},
}

ModelName = Annotated[str | None, Query(description="Name of the bundle; not given: the first.")]

open_router = APIRouter()
guarded_router = APIRouter(dependencies=[Depends(check_token)])


@open_router.head("/health", include_in_schema=False)
@open_router.get("/health")
async def health(server: Server) -> HealthAnswer:
    """Report whether the server is well."""
    engines = {name: bundle.engine for name, bundle in server.bundles.items()}
    return HealthAnswer(
        status="ok",
        version=__version__,
        models=engines,
        most_photos=server.limits.photos,
        most_bytes=server.limits.request_bytes,
    )


@guarded_router.get(
    "/metrics", responses={401: _REFUSALS[401], 200: {"content": {"text/plain": {}}}}, response_class=Response
)
async def metrics(server: Server) -> Response:
    """Return counters in Prometheus' text format."""
    return Response(server.measures.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@guarded_router.get("/labels", responses={code: _REFUSALS[code] for code in (401, 404)})
async def labels(server: Server, model: ModelName = None) -> LabelsAnswer:
    """Return the labels of a bundle, with their thresholds."""
    bundle = server.choose(model)
    pairs = zip(bundle.labels, bundle.thresholds.values.tolist(), strict=True)
    return LabelsAnswer(
        model=bundle.name,
        labels=[LabelAnswer(name=name, threshold=threshold) for name, threshold in pairs],
        constraints=[constraint.text for constraint in bundle.constraints.constraints],
    )


@guarded_router.post(
    "/predict",
    responses={
        **_REFUSALS,
        422: {
            "model": PredictAnswer | ErrorAnswer,
            "description": "No photo can be read, or none was sent.",
        },
    },
    openapi_extra={"requestBody": BODY},
)
async def predict(
    server: Server,
    request: Request,
    response: Response,
    model: ModelName = None,
    *,
    previews: Annotated[
        bool, Query(description="Also send a small JPEG of each photo, which browsers can show.")
    ] = False,
) -> PredictAnswer:
    """Predict the labels of photos, with probabilities; a photo that cannot be read has an error instead."""
    bundle = server.choose(model)
    uploads = await read_uploads(request, server.limits)
    with server.queued(len(uploads)):
        predictions = await bundle.predict(uploads, has_previews=previews)
    photos = [
        describe_photo(upload, answer, bundle.labels)
        for upload, answer in zip(uploads, predictions, strict=True)
    ]
    for photo in photos:
        outcome = "scored" if photo.error is None else "unreadable"
        server.measures.photos.labels(model=bundle.name, outcome=outcome).inc()
    if all(photo.error is not None for photo in photos):
        response.status_code = 422
    thresholds = dict(zip(bundle.labels, bundle.thresholds.values.tolist(), strict=True))
    return PredictAnswer(model=bundle.name, thresholds=thresholds, photos=photos)


@guarded_router.post(
    "/explain",
    responses={**_REFUSALS, 422: {"model": ErrorAnswer, "description": "The photo cannot be read."}},
    openapi_extra={"requestBody": BODY},
)
async def explain(
    server: Server,
    request: Request,
    label: Annotated[str, Query(description="The label to explain.")] = "",
    model: ModelName = None,
    *,
    layer: Annotated[bool, Query(description="Also send the map as a PNG to lay over the photo.")] = False,
) -> ExplainAnswer:
    """Return the heat map of a label in a photo."""
    bundle = server.choose(model)
    if not label:
        raise HTTPException(400, "say which label to explain: ?label=NAME")
    if label not in bundle.labels:
        raise HTTPException(404, f"no label '{label}'; there are: {', '.join(bundle.labels)}")
    upload, *others = await read_uploads(request, server.limits)
    if others:
        raise HTTPException(400, f"one photo is explained at a time, not {1 + len(others)}")
    with server.explaining():
        try:
            found = await bundle.explain(upload, label)
        except PhotoError as error:
            raise HTTPException(422, str(error)) from error
        except ManylabelError as error:
            raise HTTPException(404, f"there are no heat maps of this bundle here: {error}") from error
    if found is None:
        raise HTTPException(404, "this model has no patch grid inside, so it has no heat maps")
    column = bundle.labels.index(label)
    return ExplainAnswer(
        model=bundle.name,
        image=upload.name,
        label=label,
        score=round(float(found.prediction.scores[column]), _DIGITS),
        is_given=label in found.prediction.labels,
        box=found.maps.box,
        map=found.maps.maps[column].round(_DIGITS).tolist(),
        layer=data_uri(found.layer, kind="image/png") if layer else None,
    )


def describe_photo(upload: Upload, predicted: Prediction | PhotoError, names: Sequence[str]) -> PhotoAnswer:
    """Turn the prediction for a photo, or the reason why it cannot be read, into an answer."""
    if isinstance(predicted, PhotoError):
        return PhotoAnswer(image=upload.name, labels=[], scores={}, error=predicted.reason)
    scores = dict(zip(names, predicted.scores.round(_DIGITS).tolist(), strict=True))
    preview = None if predicted.preview is None else data_uri(predicted.preview, kind="image/jpeg")
    return PhotoAnswer(image=upload.name, labels=list(predicted.labels), scores=scores, preview=preview)
