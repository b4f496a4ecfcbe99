"""Tables of labels that were damaged by chance: whatever they hold, they are read or refused in words.

In:  a table of every kind of file (CSV, TSV, XLSX, JSON, JSON lines, XML), and numbered chances, so that each
     mutant can be made again: ``mutate(content, number)``.
Out: no error but manylabel's own, and none that takes long. MANYLABEL_ATTACK_TABLES sets how many mutants the
     slow test makes.
"""

import io
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import Workbook

from manylabel.data.formats import read_table
from manylabel.errors import ManylabelError
from tests.attack.damage import cut, repeat
from tests.attack.workbooks import parts_of, row_xml, sheet_xml, strings_xml, write_parts

N_QUICK = 300
N_SLOW = int(os.environ.get("MANYLABEL_ATTACK_TABLES", "20000"))
SLOWEST_SECONDS = 20
PHOTOS = tuple(f"{letter}.jpg" for letter in "abcdef")
LABELS = ("sea", "boat")

ODD: tuple[bytes, ...] = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b'"',
        b"'",
        b"\\",
        b"\r",
        b"\n",
        b";",
        b"\t",
        b"=1+1",
        b"\\ud800",
    ),
    *(
        b"-1",
        b"0",
        b"1e999",
        b"9" * 400,
        b"9" * 5000,
        b"NaN",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"[" * 2000,
    ),
    *(
        "hồ\N{RIGHT-TO-LEFT OVERRIDE}".encode(),
        b"&amp;",
        b"&x;",
        b"<!DOCTYPE a>",
        b"</row>",
        b"<c/>",
        b"<row>",
    ),
    *(
        b"../" * 9,
        b"C:\\",
        b"http://[",
        b"s3://",
        b"%00",
        b"a" * 70_000,
        b"XFD1048576",
        b"A0",
        b"A1:XFD9",
        b"#REF!",
    ),
)

ODD_VALUES: tuple[object, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        float("nan"),
        "",
        " ",
        "a.jpg",
        "sea",
        "\ud800",
        "\0",
        "=1+1",
        "x" * 5000,
    ),
    *([], {}, [[]], [None], {"": None}, {"name": {"name": []}}, ["sea", 1, None, {}], [["sea"]]),
)


def _csv(separator: str) -> bytes:
    lines = [
        ["image", "labels", "split"],
        *([name, "sea;boat" if name > "c" else "sea", "train"] for name in PHOTOS),
    ]
    return "\n".join(separator.join(line) for line in lines).encode()


def _one_hot() -> bytes:
    lines = ["image,sea,boat", *(f'"{name}",{place % 2},{place // 3}' for place, name in enumerate(PHOTOS))]
    return "\r\n".join(lines).encode()


def _workbook() -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["image", "sea", "boat", "seen", "total"])
    for place, name in enumerate(PHOTOS):
        sheet.append([name, place % 2, bool(place // 3), date(2026, 3, 1), "=1+1"])
    sheet.merge_cells("B2:B3")
    book.create_sheet("notes").append(["nothing here"])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _workbook_by_hand(folder: Path) -> bytes:
    rows = row_xml(1, "image", "labels") + "".join(
        f'<row r="{place + 2}"><c r="A{place + 2}" t="s"><v>{place}</v></c>'
        f'<c r="B{place + 2}" t="s" s="0"><v>6</v></c></row>'
        for place in range(len(PHOTOS))
    )
    strings = strings_xml("".join(f"<si><t>{text}</t></si>" for text in (*PHOTOS, "sea;boat")))
    return write_parts(folder / "by_hand.xlsx", parts_of(sheet_xml(rows), strings=strings)).read_bytes()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _coco() -> bytes:
    return _json(
        {
            "images": [{"id": place, "file_name": name} for place, name in enumerate(PHOTOS)],
            "categories": [{"id": place, "name": label} for place, label in enumerate(LABELS)],
            "annotations": [
                {"id": place, "image_id": place, "category_id": place % 2, "bbox": [0, 0, 2, 2]}
                for place in range(len(PHOTOS))
            ],
        }
    )


def _label_studio() -> bytes:
    def task(place: int, name: str) -> dict[str, object]:
        chosen = {"choices": list(LABELS[: 1 + place % 2])}
        result = [{"from_name": "labels", "to_name": "image", "type": "choices", "value": chosen}]
        return {"id": place, "data": {"image": f"/data/{name}"}, "annotations": [{"result": result}]}

    return _json([task(place, name) for place, name in enumerate(PHOTOS)])


def _create_ml() -> bytes:
    return _json(
        [
            {"image": name, "annotations": [{"label": LABELS[place % 2], "coordinates": {"x": 1, "y": 1}}]}
            for place, name in enumerate(PHOTOS)
        ]
    )


def _json_lines() -> bytes:
    lines = (
        {"file_name": name, "labels": list(LABELS[: 1 + place % 2])} for place, name in enumerate(PHOTOS)
    )
    return "\n".join(map(json.dumps, lines)).encode()


def _cvat() -> bytes:
    images = "".join(
        f'<image id="{place}" name="{name}"><tag label="{LABELS[place % 2]}"/></image>'
        for place, name in enumerate(PHOTOS)
    )
    return f'<?xml version="1.0" encoding="utf-8"?><annotations>{images}</annotations>'.encode()


def _labelme() -> bytes:
    shapes = [{"label": label, "points": [[0, 0], [2, 2]], "shape_type": "rectangle"} for label in LABELS]
    return _json({"version": "5", "flags": {}, "shapes": shapes, "imagePath": PHOTOS[0]})


def _voc() -> bytes:
    objects = "".join(f"<object><name>{label}</name></object>" for label in LABELS)
    return f"<annotation><filename>{PHOTOS[0]}</filename>{objects}</annotation>".encode()


@cache
def tables(folder: Path) -> dict[str, bytes]:
    """Return a whole table of each kind, by the name of its file."""
    return {
        "list.csv": _csv(","),
        "list.tsv": _csv("\t"),
        "hot.csv": _one_hot(),
        "book.xlsx": _workbook(),
        "hand.xlsx": _workbook_by_hand(folder),
        "coco.json": _coco(),
        "studio.json": _label_studio(),
        "create.json": _create_ml(),
        "lines.jsonl": _json_lines(),
        "cvat.xml": _cvat(),
        "labelme.json": _labelme(),
        "voc.xml": _voc(),
    }


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 40))):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _insert(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.choice(ODD) + content[place:]


def _replace_word(content: bytes, chance: random.Random) -> bytes:
    """Put something odd in place of a word, a number or a text in quotes."""
    words = list(re.finditer(rb'"[^"]{0,80}"|[\w.:/-]+', content))
    if not words:
        return content
    word = chance.choice(words)
    odd = chance.choice(ODD)
    if word[0].startswith(b'"') and chance.random() < 0.7:
        odd = b'"' + odd.replace(b'"', b"") + b'"'
    return content[: word.start()] + odd + content[word.end() :]


def _swap_words(content: bytes, chance: random.Random) -> bytes:
    words = list(re.finditer(rb"[\w.:/-]+", content))
    if len(words) < 2:
        return content
    one, other = sorted(chance.sample(range(len(words)), 2))
    first, second = words[one], words[other]
    between = content[first.end() : second.start()]
    return content[: first.start()] + second[0] + between + first[0] + content[second.end() :]


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, cut, repeat, _insert, _replace_word, _replace_word, _swap_words),
)


def _change_part(content: bytes, chance: random.Random) -> bytes:
    """Change the parts of a workbook inside, which leaves the archive itself whole."""
    with ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(sorted(parts))
    match chance.randrange(8):
        case 0:
            del parts[name]
        case 1:
            parts[chance.choice(sorted(parts))] = parts[name]
        case 2:
            parts[name.upper() if chance.random() < 0.5 else f"../{name}"] = parts.pop(name)
        case _:
            for _ in range(chance.choice((1, 1, 3))):
                parts[name] = chance.choice(CHANGES)(parts[name], chance)
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return file.getvalue()


def _change_value(content: bytes, chance: random.Random) -> bytes:
    """Put a value of another type in place of one in a JSON file, or under another key."""
    document = json.loads(content)
    inner = [document]
    for value in inner:
        children = value.values() if isinstance(value, dict) else value
        inner += [child for child in children if isinstance(child, dict | list) and child]
    for _ in range(chance.choice((1, 1, 3))):
        value = chance.choice(inner)
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        other = chance.choice(inner)
        odd = chance.choice((*ODD_VALUES, json.loads(json.dumps(other)), [value[key]], {"id": value[key]}))
        if isinstance(value, dict) and chance.random() < 0.2:
            value[chance.choice(("", "labels", "image", "id", "name", "\x1b[2J"))] = value[key]
        value[key] = odd
    return _json(document)


def mutate(content: bytes, number: int, *, kind: str) -> bytes:
    """Return the mutant of this number."""
    chance = random.Random(number)
    if kind == ".xlsx" and chance.random() < 0.7:
        return _change_part(content, chance)
    if kind == ".json" and chance.random() < 0.5:
        return _change_value(content, chance)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        content = chance.choice(CHANGES)(content, chance)
    return content


def attack(folder: Path, numbers: range) -> Counter[str]:
    """Read mutants, and count what came of them.

    Raises:
        AssertionError: One of them raised an error that is not manylabel's own, or took long.
    """
    for name in PHOTOS:
        (folder / name).touch()
    whole = tables(folder)
    turn = [*whole, *2 * ("book.xlsx", "hand.xlsx")]  # there is most to go wrong in workbooks
    found: Counter[str] = Counter()
    for number in numbers:
        name = turn[number % len(turn)]
        path = folder / name
        path.write_bytes(mutate(whole[name], number, kind=path.suffix))
        begun = time.perf_counter()
        try:
            found[_read(path)] += 1
        except Exception as error:
            raise AssertionError(f"mutant {number}, {name}: {type(error).__name__}") from error
        seconds = time.perf_counter() - begun
        assert seconds < SLOWEST_SECONDS, f"mutant {number}, {name}: took {seconds:.0f} s"
        path.unlink()
    return found


def _read(path: Path) -> str:
    """Read a table, and say what came of it."""
    try:
        read_table(path, photos=path.parent)
    except ManylabelError:
        return "refused"
    return "read"


def test_whole_tables_of_every_kind_are_read(tmp_path: Path) -> None:
    for name in PHOTOS:
        (tmp_path / name).touch()
    for name, content in tables(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        ignore = ["seen", "total"] if name == "book.xlsx" else []
        table = read_table(tmp_path / name, photos=tmp_path, ignore=ignore)
        photos = PHOTOS[:1] if name in ("labelme.json", "voc.xml") else PHOTOS
        assert (set(table.names), set(table.labels)) == (set(photos), set(LABELS)), name


def test_a_few_damaged_tables_raise_no_foreign_error(tmp_path: Path) -> None:
    found = attack(tmp_path, range(N_QUICK))
    assert min(found["read"], found["refused"]) > N_QUICK // 20


@pytest.mark.slow
def test_many_damaged_tables_raise_no_foreign_error(tmp_path: Path) -> None:
    found = attack(tmp_path, range(N_QUICK, N_QUICK + N_SLOW))
    assert found.total() == N_SLOW
