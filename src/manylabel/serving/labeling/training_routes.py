"""Train models in full from the labeling page, and show what was trained.

In:  requests of the page, with its cookie.
Out: how far a training is; the models by name; their reports.

    GET  /app/models              the models
    GET  /app/models/NAME/report  the report of a run
    GET  /app/training            how far the training is
    POST /app/training            a training started
    POST /app/training/cancel     the training cancelled
"""

from typing import Annotated

import msgspec
import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from manylabel.data.wording import count
from manylabel.errors import InputError
from manylabel.live_model.messages import Train
from manylabel.report.run_info import hide_folders_in_sentence
from manylabel.serving.labeling.requests import encode, read_json
from manylabel.serving.labeling.state import LabelingState, State, check_cookie

BACKBONES = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite0+efficientnet_lite2",
)
"""The backbones that the page offers: their weights come with packages."""

_FEWEST_PHOTOS = 20

# A report is a page of its own: it may run its script, and reaches nothing.
_REPORT_HEADERS = {
    "Content-Security-Policy": (
        "sandbox allow-scripts allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
    ),
    "Cache-Control": "private, no-cache",
}

router = APIRouter(prefix="/app", dependencies=[Depends(check_cookie)], include_in_schema=False)


class TrainingOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to train.

    Attributes:
        name: Name of the run.
        backbones: The backbones to compare.
    """

    name: str
    backbones: Annotated[list[str], msgspec.Meta(min_length=1, max_length=len(BACKBONES))]


@router.get("/models")
async def models(state: State) -> Response:
    """Return the models, the newest first."""
    return await encode(state.models.listed)


@router.get("/models/{name}/report")
async def report(state: State, name: str) -> Response:
    """Return the report of a run."""
    try:
        path = await run_in_threadpool(state.models.report, name)
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    return FileResponse(path, media_type="text/html", headers=_REPORT_HEADERS)


@router.get("/training")
async def training(state: State) -> Response:
    """Return how far the training is."""
    return await encode(lambda: _told(state))


@router.post("/training")
async def start(state: State, request: Request) -> Response:
    """Start a training."""
    order = await read_json(request, TrainingOrder)
    if unknown := [name for name in order.backbones if name not in BACKBONES]:
        raise HTTPException(422, f"unknown backbone '{unknown[0]}'; known: {', '.join(BACKBONES)}")
    try:
        await run_in_threadpool(_start, state, order)
    except InputError as error:
        raise HTTPException(422, hide_folders_in_sentence(str(error))) from error
    return await encode(lambda: _told(state))


@router.post("/training/cancel")
async def cancel(state: State, request: Request) -> Response:
    """Cancel the training."""
    await read_json(request, dict[str, str])
    try:
        await run_in_threadpool(state.trainer.cancel)
    except InputError as error:
        raise HTTPException(422, str(error)) from error
    return await encode(lambda: _told(state))


def _told(state: LabelingState) -> object:
    """Return how far the training is, without folders of this machine."""
    training = state.trainer.training
    if training.problem is None:
        return training
    return msgspec.structs.replace(training, problem=hide_folders_in_sentence(training.problem))


def _start(state: LabelingState, order: TrainingOrder) -> None:
    name = state.models.check_new(order.name)
    store = state.store
    with store.locked():
        answers, photos = store.answers, [str(path.resolve()) for path in store.photos]
        labels, targets = list(answers.labels), answers.targets.astype("<f4")
        names = list(answers.names)
    n_labeled = int((~np.isnan(targets)).any(axis=1).sum())
    if n_labeled < _FEWEST_PHOTOS:
        n_photos = count(n_labeled, "photo")
        raise InputError(f"{n_photos} with answers so far; training needs at least {_FEWEST_PHOTOS}")
    train = Train(
        out=str((state.models.folder / name).resolve()),
        photos=photos,
        names=names,
        labels=labels,
        targets=targets.tobytes(),
        backbones=order.backbones,
        exclusive=state.constraints.exclusive,
        implies=state.constraints.implies,
        at_least_one=state.constraints.at_least_one,
    )
    state.trainer.start(name, train)
