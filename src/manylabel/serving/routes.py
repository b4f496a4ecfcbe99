"""What can be asked.

In:  requests.
Out: answers.

    POST /predict   one or many photos: labels, probabilities, thresholds
    POST /explain   one photo and a label: where the network saw what speaks for it
    GET  /labels    what a bundle can say
    GET  /health    whether the server is well
    GET  /metrics   counters, for Prometheus
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from manylabel import __version__
from manylabel.data.photos import data_uri
from manylabel.errors import ManylabelError, PhotoError
from manylabel.serving.answers import (
    ErrorAnswer,
    ExplainAnswer,
    HealthAnswer,
    LabelAnswer,
    LabelsAnswer,
    PhotoAnswer,
    PredictAnswer,
)
from manylabel.serving.measures import CONTENT_TYPE_LATEST
from manylabel.serving.served import Judgement, Upload
from manylabel.serving.state import Server, check_token
from manylabel.serving.uploads import BODY, read_uploads

_DIGITS = 6

_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The form is malformed, or holds too many files."},
    401: {"model": ErrorAnswer, "description": "The token is missing or wrong."},
    403: {"model": ErrorAnswer, "description": "A page of another site asks."},
    404: {"model": ErrorAnswer, "description": "There is no such bundle or label."},
    408: {"model": ErrorAnswer, "description": "The request comes too slowly."},
    413: {"model": ErrorAnswer, "description": "The request is too large."},
    421: {"model": ErrorAnswer, "description": "The server is not called what the Host header says."},
    503: {"model": ErrorAnswer, "description": "Too much is asked at the same time; see Retry-After."},
    507: {"model": ErrorAnswer, "description": "A disk of the server is full."},
}

ModelName = Annotated[str | None, Query(description="Name of the bundle; not given: the first.")]

open_router = APIRouter()
guarded_router = APIRouter(dependencies=[Depends(check_token)])


@open_router.head("/health", include_in_schema=False)
@open_router.get("/health")
async def health(server: Server) -> HealthAnswer:
    """Say whether the server is well."""
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
        rules=[rule.text for rule in bundle.rules.rules],
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
    """Say which labels photos carry, with probabilities; a photo that cannot be read has an error instead."""
    bundle = server.choose(model)
    uploads = await read_uploads(request, server.limits)
    with server.places(len(uploads)):
        said = await bundle.judge(uploads, has_previews=previews)
    photos = [
        describe_photo(upload, answer, bundle.labels) for upload, answer in zip(uploads, said, strict=True)
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
    """Say where in a photo the network saw what speaks for a label."""
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
        raise HTTPException(404, "this network keeps no places of a photo, so it has no heat maps")
    column = bundle.labels.index(label)
    return ExplainAnswer(
        model=bundle.name,
        image=upload.name,
        label=label,
        score=round(float(found.judgement.scores[column]), _DIGITS),
        is_given=label in found.judgement.labels,
        box=found.maps.box,
        map=found.maps.maps[column].round(_DIGITS).tolist(),
        layer=data_uri(found.layer, kind="image/png") if layer else None,
    )


def describe_photo(upload: Upload, said: Judgement | PhotoError, names: Sequence[str]) -> PhotoAnswer:
    """Put what the network says about a photo, or why it cannot be read, into an answer."""
    if isinstance(said, PhotoError):
        return PhotoAnswer(image=upload.name, labels=[], scores={}, error=said.reason)
    scores = dict(zip(names, said.scores.round(_DIGITS).tolist(), strict=True))
    preview = None if said.preview is None else data_uri(said.preview, kind="image/jpeg")
    return PhotoAnswer(image=upload.name, labels=list(said.labels), scores=scores, preview=preview)
