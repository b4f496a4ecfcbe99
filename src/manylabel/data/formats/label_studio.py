"""Read the JSON exports of Label Studio, the full one and JSON-MIN.

In:  a list of tasks; choices, taxonomies and the labels of regions are labels.
Out: RawTable; labels sorted by name. Tasks that nobody annotated are left out, with a note. Labels of several
     questions are never merged: they are written ``question: answer``.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from manylabel.data.find import is_photo_name
from manylabel.data.formats.base import LabelFormat, LabelSource, RawRow, RawTable, find_only_file
from manylabel.data.formats.contents import clean_label, first_objects, list_records, read_json, read_name
from manylabel.data.formats.matching import list_addressed_names
from manylabel.data.formats.questions import Answers, Questions, collect_questions, is_yes_no
from manylabel.data.wording import count, list_some
from manylabel.errors import TableError

IMAGE_KEYS = ("image", "img", "photo", "picture", "url")
CHOICE_KEYS = ("choice", "choices", "label", "labels", "class", "category")
MIN_KEYS = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
SHAPES = frozenset(
    {"rectangle", "ellipse", "polygon", "keypoint", "brush", "bitmask", "vector", "relation", None}
)
"""Types of results that say where something is, not what."""

REPAIR = (
    "in Label Studio, delete the wrong annotation, or mark the right one as ground truth where both are of "
    "one task"
)

Kind = Literal["choices", "taxonomy", "regions"]
Task = tuple[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """The answer to one question: kind and name of the question (None: not written), names of labels."""

    kind: Kind
    question: str | None
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Annotation:
    """What one person answered about one photo."""

    where: str
    names: tuple[str, ...]
    answers: tuple[_Answer, ...]


@dataclass(frozen=True)
class _Export:
    """Everything that is read from an export, piece by piece."""

    title: str
    annotations: list[_Annotation] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_label_studio(source: LabelSource) -> RawTable:
    """Read a Label Studio export.

    Cancelled annotations are skipped. Where one of several annotations of a task is marked as ground truth,
    it counts alone.

    Raises:
        TableError: The file is no JSON list, nobody annotated any task, or it is unclear which key of a
            JSON-MIN export holds the choices.
    """
    path = find_only_file(source.path, (".json",))
    export = _Export(path.name)
    document = read_json(path, title=path.name)
    tasks = list(list_records(document, where=f"{path.name}, tasks", problems=export.problems))
    is_full = any(isinstance(task.get("data"), dict) for _, task in tasks)
    if is_full:
        _read_full(tasks, export)
    else:
        _read_min(tasks, export)
    if not export.annotations and not export.problems:
        raise TableError([_explain_nothing(tasks, title=path.name)])
    answered, questions = _collect(export.annotations)
    labeled = [questions.label(answers) for answers in answered]
    rows = [
        RawRow(
            names=annotation.names or ("",),
            folder=path.parent,
            where=annotation.where,
            present=labels.present,
            unknown=labels.unknown,
        )
        for annotation, labels in zip(export.annotations, labeled, strict=True)
    ]
    return RawTable(
        rows=tuple(rows),
        labels=questions.labels,
        title=path.name,
        kind=f"Label Studio {'JSON' if is_full else 'JSON-MIN'}",
        where=path.name,
        repair=REPAIR,
        notes=tuple(_write_notes(export, questions, is_full=is_full)),
        problems=tuple(export.problems),
    )


def _write_notes(export: _Export, questions: Questions, *, is_full: bool) -> Iterator[str]:
    title = export.title
    if export.unanswered:
        tasks = count(len(export.unanswered), "task")
        yield f"{title}: {tasks} without annotation left out: {list_some(export.unanswered)}"
    yield from questions.describe(where=title)
    paths = [
        answer.names
        for annotation in export.annotations
        for answer in annotation.answers
        if answer.kind == "taxonomy" and len(answer.names) > 1
    ]
    if paths:
        levels = list_some(sorted(paths[0]), most=2)
        yield f"{title}: each level of a taxonomy is a label of its own: {levels}"
    if export.left_out:
        left_out = f"{title}: not labels, and left out: {list_some(sorted(export.left_out))}"
        hint = "" if is_full else "; if one of them is a question with choices, export JSON, not JSON-MIN"
        yield left_out + hint


def _explain_nothing(tasks: Sequence[Task], *, title: str) -> str:
    n_predicted = sum(bool(task.get("predictions")) for _, task in tasks)
    if n_predicted:
        return (
            f"{title}: holds only predictions, in {count(n_predicted, 'task')}, and nobody annotated any; "
            "accept or correct them in Label Studio, and export the annotated tasks"
        )
    return f"{title}: none of its {count(len(tasks), 'task')} is annotated; export annotated tasks"


def _collect(annotations: Sequence[_Annotation]) -> tuple[list[Answers], Questions]:
    """Bring the answers of each annotation under the names of their questions."""
    named: dict[Kind, set[str]] = defaultdict(set)
    for annotation in annotations:
        for answer in annotation.answers:
            named[answer.kind].update([answer.question] if answer.question else [])
    answered: list[Answers] = []
    for annotation in annotations:
        given: dict[str, frozenset[str]] = defaultdict(frozenset)
        for answer in annotation.answers:
            given[_name_question(answer, named[answer.kind])] |= frozenset(answer.names)
        answered.append(given)
    regions = frozenset({_only(named["regions"]) or "regions"})
    return answered, collect_questions(answered, optional=regions)


def _name_question(answer: _Answer, named: set[str]) -> str:
    """Name the question of an answer; all tools that draw regions are one question: what is there."""
    written = None if answer.kind == "regions" else answer.question
    return written or _only(named) or answer.kind


def _only(names: set[str]) -> str | None:
    return next(iter(names)) if len(names) == 1 else None


def _read_full(tasks: Sequence[Task], export: _Export) -> None:
    for where, task in tasks:
        data = task.get("data")
        annotations = list(_list_annotations(task, where))
        results = [_list_objects(entry.get("result")) for _, entry in annotations]
        export.left_out.update((name, None) for given in results for name in _list_other_results(given))
        answers = [
            (location, tuple(_read_results(given)))
            for (location, _), given in zip(annotations, results, strict=True)
        ]
        _add_task(export, where, data if isinstance(data, dict) else task, answers)


def _add_task(
    export: _Export,
    where: str,
    values: Mapping[str, Any],
    answers: Sequence[tuple[str, tuple[_Answer, ...]]],
) -> None:
    names = _find_photo(values)
    if not names:
        export.problems.append(f"{where}: no photo is named")
    elif not answers:
        export.unanswered.append(names[0])
    export.annotations.extend(
        _Annotation(where=location, names=names, answers=given) for location, given in answers
    )


def _list_annotations(task: Mapping[str, Any], where: str) -> Iterator[Task]:
    """Go through the annotations of a task of the full export; old ones call them completions."""
    listed = _list_objects(task.get("annotations") or task.get("completions"))
    given = [entry for entry in listed if not entry.get("was_cancelled")]
    truths = [entry for entry in given if entry.get("ground_truth")]
    for entry in truths or given:
        yield f"{where}, annotation {entry.get('id', '?')}", entry


def _list_objects(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _read_results(results: Sequence[dict[str, Any]]) -> Iterator[_Answer]:
    for result in results:
        yield from _read_value(result.get("value"), question=_name_of(result))


def _name_of(result: Mapping[str, Any]) -> str | None:
    return read_name(result.get("from_name")) or None


def _list_other_results(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """List the results that are not labels: ratings, texts, numbers."""
    for result in results:
        kind = read_name(result.get("type"))
        if kind not in SHAPES and not any(True for _ in _read_value(result.get("value"), question=None)):
            name = _name_of(result)
            yield f"{name} ({kind or '?'})" if name else kind or "?"


def _read_value(value: object, *, question: str | None) -> Iterator[_Answer]:
    """Go through the names in a choice, a taxonomy, or a region: ``rectanglelabels`` and so on."""
    for key, names in value.items() if isinstance(value, dict) else ():
        if not isinstance(names, list):
            continue
        if key == "choices":
            yield _Answer(kind="choices", question=question, names=_clean(names))
        elif key == "taxonomy":
            levels = [level for path in names for level in _list_levels(path)]
            yield _Answer(kind="taxonomy", question=question, names=_clean(levels))
        elif key.endswith("labels"):
            yield _Answer(kind="regions", question=question, names=_clean(names))


def _clean(names: Sequence[object]) -> tuple[str, ...]:
    return tuple(name for name in map(read_name, names) if name)


def _list_levels(path: object) -> list[str]:
    """List every level of a path of a taxonomy.

    Examples:
        >>> _list_levels(["water", "sea"])
        ['water', 'water / sea']
    """
    names = _clean(path if isinstance(path, list) else [path])
    return [" / ".join(names[: depth + 1]) for depth in range(len(names))]


def _read_min(tasks: Sequence[Task], export: _Export) -> None:
    """Read a JSON-MIN export; a task that was sent without a choice says that none applies."""
    fields, others = _find_fields(tasks, title=export.title)
    export.left_out.update(dict.fromkeys(others))
    for where, task in tasks:
        given = [(key, task[key]) for key in fields if task.get(key) not in (None, "")]
        answers = tuple(answer for key, value in given for answer in _read_field(value, question=key))
        is_answered = bool(given) or "annotation_id" in task
        _add_task(export, where, task, [(where, answers)] if is_answered else [])


def _find_fields(tasks: Sequence[Task], *, title: str) -> tuple[list[str], list[str]]:
    """Find out which keys of a JSON-MIN export hold choices; the author of the project named them.

    A single choice is a plain text there, as are comments and what was imported with the photo.

    Returns:
        The keys that hold choices, and the others.
    """
    keys = dict.fromkeys(key for _, task in tasks for key in task if key not in MIN_KEYS)
    values = {key: [task[key] for _, task in tasks if task.get(key) not in (None, "")] for key in keys}
    sure = [key for key in keys if any(map(_holds_names, values[key]))]
    plain = [key for key in keys if key not in (*sure, *IMAGE_KEYS) and any(map(_is_text, values[key]))]
    yes_no = [
        key for key in plain if all(map(_is_text, values[key])) and is_yes_no(map(clean_label, values[key]))
    ]
    named = [key for key in CHOICE_KEYS if key in plain][:1]
    certain = list(dict.fromkeys([*sure, *yes_no, *([] if sure else named)]))
    fields = certain or plain
    if len(fields) > 1 and not certain:
        names = ", ".join(fields)
        raise TableError(
            [
                f"{title}: cannot tell which of these keys holds the choices: {names}; export JSON, "
                "which says so, instead of JSON-MIN"
            ]
        )
    if not fields:
        raise TableError([f"{title}: no task of this Label Studio export holds a choice"])
    others = keys.keys() - {*fields, *IMAGE_KEYS}
    return fields, [key for key in others if not any(map(_is_photo, values[key]))]


def _holds_names(value: object) -> bool:
    entries = value if isinstance(value, list) else [value]
    return any(isinstance(entry, dict) and any(_read_value(entry, question=None)) for entry in entries)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not _is_photo(value)


def _is_photo(value: object) -> bool:
    return isinstance(value, str) and any(map(is_photo_name, list_addressed_names(value)))


def _read_field(value: object, *, question: str) -> Iterator[_Answer]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            yield from _read_value(entry, question=question)
        else:
            yield _Answer(kind="choices", question=question, names=_clean([entry]))


def _find_photo(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that the photo of a task may have; none where no value looks like a photo."""
    texts = {key: value for key, value in values.items() if isinstance(value, str) and value}
    named = next((texts[key] for key in IMAGE_KEYS if key in texts), None)
    found = named if named is not None else next(filter(_is_photo, texts.values()), None)
    return () if found is None else list_addressed_names(found)


def _lists_tasks(document: Any) -> bool:
    return any(map(_is_task, first_objects(document)))


def _is_task(item: Mapping[str, Any]) -> bool:
    is_full = isinstance(item.get("data"), dict) and not item.keys().isdisjoint(
        {"annotations", "completions", "predictions"}
    )
    is_flat = "annotation_id" in item or "lead_time" in item
    has_choices = any(isinstance(value, dict) and "choices" in value for value in item.values())
    return is_full or is_flat or has_choices


LABEL_STUDIO = LabelFormat(
    name="label-studio",
    title="Label Studio",
    description="Label Studio JSON or JSON-MIN: choices, taxonomies, labels of regions",
    read=read_label_studio,
    has_document=_lists_tasks,
    document="a list of tasks",
)
