"""The questions and changes that the labeling page sends.

In:  requests of the page, with its cookie.
Out: labels, pictures, changes; every change is on the disk before its answer.

    GET  /app/labels    all labels, or what changed since a revision
    GET  /app/photos/N  a picture of a photo
    GET  /app/scores    probabilities of all photos
    GET  /app/queues    what to look at next
    GET  /app/similar/N the photos most similar to a photo
    POST /app/answers   answers for photos
    POST /app/labels    a label added, renamed, merged or removed
    POST /app/undo      the last action of this browser undone
    POST /app/reload    the table read again
"""

from collections.abc import Callable
from typing import Literal, TypeVar, assert_never

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from manylabel.annotation.author import Author
from manylabel.annotation.journal import Answer, Change
from manylabel.errors import InputError, OutputError, PhotoError
from manylabel.report.run_info import hide_folders_in_sentence
from manylabel.serving.labeling.assistant import Assistant
from manylabel.serving.labeling.pictures import SIZES_PX, find_version
from manylabel.serving.labeling.requests import encode, read_json
from manylabel.serving.labeling.state import LabelingState, State, check_cookie

Made = TypeVar("Made")

router = APIRouter(prefix="/app", dependencies=[Depends(check_cookie)], include_in_schema=False)


class _Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all changes have.

    Attributes:
        client: The browser.
        queue: Where on the page it was.
        since: The revision that the page has seen; the answer tells what changed since, by whomever.
    """

    client: str = ""
    queue: str = ""
    since: int


class Answers(_Sent, frozen=True, kw_only=True):
    """Answers for some photos: ``{"0": {"boat": "present"}}``, photos by their numbers.

    Attributes:
        answers: The answers.
        confirms: Answers that photos have already count as well: somebody looked at them.
        only_unknown: Known answers stay: another browser may have given them meanwhile.
    """

    answers: dict[int, dict[str, Answer]]
    confirms: bool = False
    only_unknown: bool = False


class LabelChange(_Sent, frozen=True, kw_only=True):
    """A change of the labels."""

    change: Literal["add", "rename", "merge", "remove"]
    label: str
    to: str = ""


class Plain(_Sent, frozen=True, kw_only=True):
    """A request without values of its own."""


@router.get("/labels")
async def labels(state: State, since: int | None = None) -> Response:
    """Return all labels, or what changed since a revision."""
    return await _answer(state, since)


@router.get("/photos/{row}")
async def photo(state: State, row: int, request: Request, size: int = SIZES_PX[0]) -> Response:
    """Return a picture of a photo."""
    photos = state.store.photos
    if size not in SIZES_PX or not 0 <= row < len(photos):
        raise HTTPException(404, "there is no such picture")
    try:
        tag = f'"{await run_in_threadpool(find_version, photos[row])}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        picture = await run_in_threadpool(state.pictures.get, photos[row], side_px=size)
    except PhotoError as error:
        raise HTTPException(422, error.reason) from error
    return Response(picture, media_type="image/jpeg", headers=headers)


@router.get("/scores")
async def scores(state: State) -> Response:
    """Return the probabilities of all photos."""
    return await encode(_assistant(state).probabilities)


@router.get("/queues")
async def queues(state: State) -> Response:
    """Return what to look at next."""
    return await encode(_assistant(state).queues)


@router.get("/similar/{row}")
async def similar(state: State, row: int) -> Response:
    """Return the numbers of the photos most similar to a photo."""
    if not 0 <= row < len(state.store.photos):
        raise HTTPException(404, "there is no such photo")
    assistant = _assistant(state)
    return await encode(lambda: assistant.find_similar(row))


@router.post("/answers")
async def set_answers(state: State, request: Request) -> Response:
    """Give photos answers, all in one action."""
    sent = await read_json(request, Answers)
    return await _change(state, lambda: _set_answers(state, sent), since=sent.since)


def _set_answers(state: LabelingState, sent: Answers) -> None:
    """Give photos answers; their numbers are those of the list that the page has seen, or it is refused.

    Raises:
        HTTPException: 409: photos were listed anew. 422: there is no such photo.
    """
    store = state.store
    with store.locked():
        if sent.since < store.names_revision:
            raise HTTPException(409, "the list of photos has changed; check the photo and answer again")
        names = store.answers.names
        if any(not 0 <= row < len(names) for row in sent.answers):
            raise HTTPException(422, "there is no such photo")
        changes = [
            (names[row], label, answer)
            for row, given in sent.answers.items()
            for label, answer in given.items()
        ]
        store.set(_author(state, sent), changes, confirms=sent.confirms, only_unknown=sent.only_unknown)


@router.post("/labels")
async def change_labels(state: State, request: Request) -> Response:
    """Add, rename, merge or remove a label."""
    sent = await read_json(request, LabelChange)
    author, store = _author(state, sent), state.store

    def change() -> None:
        match sent.change:
            case "add":
                store.add_label(author, sent.label)
            case "rename":
                store.rename_label(author, sent.label, sent.to)
            case "merge":
                store.merge_label(author, sent.label, sent.to)
            case "remove":
                store.remove_label(author, sent.label)
            case _ as never:
                assert_never(never)

    return await _change(state, change, since=sent.since)


@router.post("/undo")
async def undo(state: State, request: Request) -> Response:
    """Undo the last action of this browser."""
    sent = await read_json(request, Plain)

    undone = await _make(state, lambda: _undo(state, sent))
    return await encode(lambda: state.sum_up_undo(undone, since=sent.since))


def _undo(state: LabelingState, sent: Plain) -> list[Change]:
    """Undo the last action of a browser.

    Raises:
        InputError: There is none.
    """
    undone = state.store.undo(_author(state, sent))
    if undone is None:
        raise InputError("there is nothing to undo")
    return undone


@router.post("/reload")
async def reload(state: State, request: Request) -> Response:
    """Read the table again."""
    sent = await read_json(request, Plain)
    return await _change(state, state.store.reload, since=sent.since)


def _author(state: LabelingState, sent: _Sent) -> Author:
    return Author(name=state.author, client=sent.client, queue=sent.queue)


async def _change(state: LabelingState, change: Callable[[], object], *, since: int) -> Response:
    """Make a change; return what changed since a revision."""
    await _make(state, change)
    return await _answer(state, since)


async def _make(state: LabelingState, change: Callable[[], Made]) -> Made:
    """Make a change, and tell the assistant; return what the change returns.

    Raises:
        HTTPException: 422: the change is not possible. 507: it cannot be saved.
    """
    try:
        made = await run_in_threadpool(change)
    except OutputError as error:
        raise HTTPException(507, hide_folders_in_sentence(str(error))) from error
    except InputError as error:
        raise HTTPException(422, hide_folders_in_sentence(str(error))) from error
    if state.assistant is not None:
        await run_in_threadpool(state.assistant.notice)
    return made


def _assistant(state: LabelingState) -> Assistant:
    if state.assistant is None:
        raise HTTPException(404, "nothing is learned from the answers")
    return state.assistant


async def _answer(state: LabelingState, since: int | None) -> Response:
    return await encode(lambda: state.labels_since(since))
