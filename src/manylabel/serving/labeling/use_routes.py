"""Use trained models from the labeling page: on photos that are dropped on it, in files, by other programs.

In:  requests of the page, with its cookie.
Out: the model in use; its answers, as its process gives them; files.

    GET  /app/use            the model in use, the files of all models
    POST /app/use            another model in use
    POST /app/exports        a file made
    POST /app/exports/cancel the export, cancelled
    GET  /app/exports/KIND   a file
    GET  /use/health         the questions of the page of ``manylabel serve``, which is shown in a frame
    GET  /use/labels
    POST /use/predict
    POST /use/explain
"""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from manylabel.errors import EngineError, InputError
from manylabel.report.run_info import hide_folders_in_sentence
from manylabel.report.trial_files import file_name
from manylabel.serving.labeling.exports import Export, Kind, Wanted
from manylabel.serving.labeling.model_in_use import Question, Use
from manylabel.serving.labeling.requests import encode, read_json
from manylabel.serving.labeling.state import LabelingState, State, check_cookie

_METHODS = {"health": "GET", "labels": "GET", "predict": "POST", "explain": "POST"}

router = APIRouter(prefix="/app", dependencies=[Depends(check_cookie)], include_in_schema=False)
frame_router = APIRouter(prefix="/use", dependencies=[Depends(check_cookie)], include_in_schema=False)


class ChosenModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model to use.

    Attributes:
        name: Name of its run.
        backbone: Its backbone.
    """

    name: str
    backbone: str


class ExportOrder(ChosenModel, frozen=True, kw_only=True):
    """A file to make.

    Attributes:
        kind: What the file is.
    """

    kind: Kind


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The model in use, and the files of all models.

    Attributes:
        use: The model in use.
        command: What serves it to other programs; null if no model is in use.
        exports: The files.
    """

    use: Use
    command: str | None
    exports: list[Export]


@router.get("/use")
async def usage(state: State) -> Response:
    """Return the model in use, and the files of all models."""
    return await encode(lambda: _sum_up(state))


@router.post("/use")
async def use(state: State, request: Request) -> Response:
    """Use a model in place of the one before."""
    chosen = await read_json(request, ChosenModel)

    def start() -> None:
        bundle = state.models.bundle(chosen.name, chosen.backbone)
        state.model_in_use.start(chosen.name, chosen.backbone, bundle=str(bundle.resolve()))

    await _obey(start)
    return await encode(lambda: _sum_up(state))


@router.post("/exports")
async def export(state: State, request: Request) -> Response:
    """Make a file."""
    order = await read_json(request, ExportOrder)
    await _obey(lambda: state.exports.start(Wanted(order.name, order.backbone, order.kind)))
    return await encode(lambda: _sum_up(state))


@router.post("/exports/cancel")
async def cancel_export(state: State, request: Request) -> Response:
    """Stop making a file."""
    await read_json(request, dict[str, str])
    await _obey(state.exports.cancel)
    return await encode(lambda: _sum_up(state))


@router.get("/exports/{kind}")
async def exported(state: State, kind: Kind, name: str, backbone: str) -> Response:
    """Return a file."""
    try:
        path = await run_in_threadpool(state.exports.file, Wanted(name, backbone, kind))
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    return FileResponse(
        path,
        media_type="text/csv" if kind == "csv" else "application/octet-stream",
        filename=f"{name} {file_name(backbone)}.{kind}",
        headers={"Cache-Control": "private, no-cache"},
    )


@frame_router.api_route("/{question}", methods=["GET", "POST"])
async def ask(state: State, question: str, request: Request) -> Response:
    """Pass a question on to the process of the model in use."""
    if _METHODS.get(question) != request.method:
        raise HTTPException(404, "the model does not answer this question")
    asked = Question(
        method=request.method,
        address=f"/{question}?{request.url.query}",
        content=await request.body(),
        kind=request.headers.get("content-type", ""),
    )
    try:
        reply = await run_in_threadpool(state.model_in_use.ask, asked)
    except EngineError as error:
        raise HTTPException(409, hide_folders_in_sentence(str(error))) from error
    headers = {} if reply.retry_seconds is None else {"Retry-After": reply.retry_seconds}
    return Response(reply.content, reply.status, headers=headers, media_type=reply.kind)


async def _obey(start: Callable[[], None]) -> None:
    """Start something in a thread.

    Raises:
        HTTPException: 422: it cannot be started.
    """
    try:
        await run_in_threadpool(start)
    except InputError as error:
        raise HTTPException(422, hide_folders_in_sentence(str(error))) from error


def _sum_up(state: LabelingState) -> Usage:
    found = state.model_in_use.use
    problem = None if found.problem is None else hide_folders_in_sentence(found.problem)
    return Usage(
        use=msgspec.structs.replace(found, problem=problem),
        command=serve_command(state, found) if found.name else None,
        exports=state.exports.listed(),
    )


def serve_command(state: LabelingState, chosen: Use) -> str | None:
    """Return the command that serves a model to other programs; None if the model is gone.

    The path is relative to the folder of the terminal where possible, so that the command works there.
    """
    try:
        bundle = state.models.bundle(chosen.name, chosen.backbone)
    except InputError:
        return None
    here = Path.cwd()
    shown = bundle.relative_to(here) if bundle.is_relative_to(here) else bundle
    words = ["manylabel", "serve", str(shown)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
