"""Read the JSON exports of Label Studio, the full one and JSON-MIN.

In:  a list of tasks; choices, and the labels of regions, are labels.
Out: RawTable; labels sorted by name. Tasks that nobody annotated are left out, with a note.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

from manylabel.data.find import is_photo_name
from manylabel.data.parsing.contents import list_records, read_json
from manylabel.data.parsing.parts import find_only_file
from manylabel.data.parsing.raw import LabelSource, RawRow, RawTable, collect_labels
from manylabel.data.parsing.values import clean_label
from manylabel.data.parsing.wording import count, list_some
from manylabel.errors import TableError

IMAGE_KEYS = ("image", "img", "photo", "picture", "url")
CHOICE_KEYS = ("choice", "choices", "label", "labels", "class", "category")
MIN_KEYS = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=[^/]+$)")

Task = tuple[str, dict[str, Any]]
Answer = tuple[str, list[object]]


def read_label_studio(source: LabelSource) -> RawTable:
    """Read a Label Studio export.

    Cancelled annotations are skipped. Where one of several annotations of a task is marked as ground truth,
    it counts alone.

    Raises:
        TableError: The file is no JSON list, or no key of a JSON-MIN export can be told to hold the choices.
    """
    path = find_only_file(source.path, (".json",))
    title = path.name
    problems: list[str] = []
    tasks = list(list_records(read_json(path, title=title), where=f"{title}, tasks", problems=problems))
    is_full = any(isinstance(task.get("data"), dict) for _, task in tasks)
    fields = [] if is_full else _find_choice_fields(tasks, title=title)
    rows: list[RawRow] = []
    unanswered: list[str] = []
    for where, task in tasks:
        names = _find_photo(task["data"] if is_full and isinstance(task.get("data"), dict) else task)
        answers = list(_read_annotations(task, where) if is_full else _read_fields(task, where, fields))
        if not names:
            problems.append(f"{where}: no photo is named")
        elif not answers:
            unanswered.append(names[0])
        for place, answer in answers:
            labels = frozenset(map(clean_label, answer)) - {""}
            rows.append(RawRow(names=names or ("",), folder=path.parent, where=place, present=labels))
    without = (
        f"{title}: {count(len(unanswered), 'task')} without annotation left out: {list_some(unanswered)}"
    )
    return RawTable(
        rows=tuple(rows),
        labels=collect_labels(rows),
        title=title,
        form=f"Label Studio {'JSON' if is_full else 'JSON-MIN'}",
        where=title,
        notes=(without,) if unanswered else (),
        problems=tuple(problems),
    )


def _read_annotations(task: Mapping[str, Any], where: str) -> Iterator[Answer]:
    """Go through the annotations of a task of the full export; old ones call them completions."""
    listed = _list_objects(task.get("annotations") or task.get("completions"))
    given = [entry for entry in listed if not entry.get("was_cancelled")]
    truths = [entry for entry in given if entry.get("ground_truth")]
    for entry in truths or given:
        results = _list_objects(entry.get("result"))
        values = [result["value"] for result in results if isinstance(result.get("value"), dict)]
        names = [name for value in values for name in _read_names(value)]
        yield f"{where}, annotation {entry.get('id', '?')}", names


def _list_objects(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _read_names(value: Mapping[str, object]) -> Iterator[object]:
    """Go through the names in a choice, or in a region: ``rectanglelabels``, ``brushlabels`` and so on."""
    for key, names in value.items():
        if (key == "choices" or key.endswith("labels")) and isinstance(names, list):
            yield from names


def _find_choice_fields(tasks: Sequence[Task], *, title: str) -> list[str]:
    """Find out which keys of a JSON-MIN export hold choices; the author of the project named them."""
    keys = dict.fromkeys(key for _, task in tasks for key in task if key not in MIN_KEYS)
    sure = [key for key in keys if any(_holds_names(task.get(key)) for _, task in tasks)]
    named = [key for key in CHOICE_KEYS if key in keys]
    left = [
        key
        for key in keys
        if key not in IMAGE_KEYS and any(_is_plain_choice(task.get(key)) for _, task in tasks)
    ]
    fields = sure or named[:1] or left
    if len(fields) > 1 and not sure:
        raise TableError(
            [f"{title}: which of these keys holds the choices? {', '.join(fields)}; name it choice"]
        )
    if not fields:
        raise TableError([f"{title}: no task of this Label Studio export holds a choice"])
    return fields


def _holds_names(value: object) -> bool:
    regions = value if isinstance(value, list) else [value]
    return any(isinstance(region, dict) and any(True for _ in _read_names(region)) for region in regions)


def _is_plain_choice(value: object) -> bool:
    return isinstance(value, str) and not is_photo_name(value)


def _read_fields(task: Mapping[str, Any], where: str, fields: Sequence[str]) -> Iterator[Answer]:
    """Read a task of a JSON-MIN export; one that was sent without a choice says that none applies."""
    values = [task[key] for key in fields if task.get(key) is not None]
    if values or "annotation_id" in task:
        yield where, [name for value in values for name in _read_field(value)]


def _read_field(value: object) -> Iterator[object]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            yield from _read_names(entry)
        else:
            yield entry


def _find_photo(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that the photo of a task may have; none where no value looks like a photo."""
    texts = {key: value for key, value in values.items() if isinstance(value, str) and value}
    named = next((texts[key] for key in IMAGE_KEYS if key in texts), None)
    looks = (value for value in texts.values() if is_photo_name(_list_names(value)[0]))
    found = named if named is not None else next(looks, None)
    return () if found is None else _list_names(found)


def _list_names(address: str) -> tuple[str, ...]:
    """List the file names that an address may stand for.

    Label Studio serves files of its own machine as ``/data/local-files/?d=FILE``, and puts eight digits
    before the name of an upload.

    Examples:
        >>> _list_names("/data/local-files/?d=lake/a%20b.jpg")
        ('lake/a b.jpg',)
        >>> _list_names("/data/upload/1/0a1b2c3d-boat.jpg")
        ('data/upload/1/0a1b2c3d-boat.jpg', 'data/upload/1/boat.jpg')
    """
    names = [address]
    if "://" in address or address.startswith("/data/"):
        served, _, query = address.partition("?")
        path = served.split("://")[-1].lstrip("/")
        names = parse_qs(query).get("d", []) or [unquote(path)]
    return tuple(dict.fromkeys([*names, *(UPLOAD_PREFIX.sub("", name) for name in names)]))
