"""Bundles that somebody made to do harm: each is refused in words, at once, and nothing of it runs.

In:  a tiny bundle, and what is done to it. Hashes stop nobody who writes both a file and its hash, so every
     file here has the right one.
Out: one of manylabel's own errors, within seconds.
"""

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from manylabel.apply import predict
from manylabel.config import EngineName
from manylabel.engines.model_files import write_facts
from manylabel.engines.openvino_models import import_openvino
from manylabel.errors import InputError
from manylabel.hash_list import verify
from manylabel.io.files import file_sha256
from manylabel.thresholds import choose_new_thresholds
from manylabel.types import LabelTable
from tests.attack.onnx_graphs import FILES, graph_file
from tests.untrained import write_untrained

pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")

SLOWEST_SECONDS = 60
LABELS = ("circle", "square", "triangle")
Tamper = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What is done to a bundle, and what then uses it.

    Attributes:
        tamper: Changes the bundle in a folder.
        use: What opens it: an engine, or a command.
        says: What the error has to say.
    """

    tamper: Tamper
    use: EngineName | str = "auto"
    says: str


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny bundle of random weights."""
    folder = tmp_path_factory.mktemp("attacked") / "bundle"
    return write_untrained(folder, "squeezenet1_1", labels=LABELS, head="linear", side_px=64)


@pytest.fixture
def bundle(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a bundle to tamper with, and a cache that knows nothing of it."""
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def read_facts(bundle: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((bundle / "results.json").read_text(encoding="utf-8"))
    return facts


def seal(bundle: Path, name: str) -> None:
    """Put the hash of a file where whoever made the file would put it."""
    facts = read_facts(bundle)
    if name == "model.onnx":
        facts["exports"] = {"onnx": {"sha256": file_sha256(bundle / name), "bundle": facts["sha256"]}}
    else:
        facts["sha256"][name] = file_sha256(bundle / name)
    (bundle / "results.json").write_text(json.dumps(facts), encoding="utf-8")


def put(name: str, content: bytes | Callable[[], bytes]) -> Tamper:
    """Put a file into a bundle."""

    def tamper(bundle: Path) -> None:
        (bundle / name).write_bytes(content() if callable(content) else content)
        if name != "results.json":
            seal(bundle, name)

    return tamper


def grow(name: str, n_bytes: int) -> Tamper:
    """Let a file seem very large; it takes no room on the disk."""

    def tamper(bundle: Path) -> None:
        os.truncate(bundle / name, n_bytes)

    return tamper


def insert(name: str, text: str) -> Tamper:
    """Write text at the beginning of the object that a JSON file holds."""

    def tamper(bundle: Path) -> None:
        before = (bundle / name).read_text(encoding="utf-8")
        put(name, before.replace("{", "{" + text, 1).encode())(bundle)

    return tamper


def configure(**changes: Any) -> Tamper:
    """Change config.json."""

    def tamper(bundle: Path) -> None:
        config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
        put("config.json", json.dumps({**config, **changes}).encode())(bundle)

    return tamper


def preprocess(key: str, text: str) -> Tamper:
    """Put a value into the preprocessing of config.json, as text: JSON has numbers that Python lacks."""

    def tamper(bundle: Path) -> None:
        config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
        config["preprocessing"][key] = "HERE"
        put("config.json", json.dumps(config).replace('"HERE"', text).encode())(bundle)

    return tamper


def name_labels(*names: str) -> Tamper:
    """Give the labels other names."""
    return configure(id2label={str(number): name for number, name in enumerate(names)})


def replace_by(make: Callable[[Path], Any], name: str) -> Tamper:
    """Put something else in the place of a file or folder."""

    def tamper(bundle: Path) -> None:
        place = bundle / name
        place.parent.mkdir(exist_ok=True)
        if place.is_file():
            place.unlink()
        make(place)

    return tamper


def link_to_copy(place: Path) -> None:
    """Make a link to a file that is right in all but its place."""
    outside = place.parent.parent / f"outside {place.name}"
    outside.write_bytes(b"")
    place.symlink_to(outside)


def listen(place: Path) -> None:
    """Make a socket; its path may have 108 bytes at most."""
    before = Path.cwd()
    os.chdir(place.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(place.name)
    finally:
        os.chdir(before)


def header(text: str) -> bytes:
    """Make a file of tensors that has this list of them, and 36 bytes."""
    return len(text).to_bytes(8, "little") + text.encode() + bytes(36)


def change_weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Tamper:
    """Change the tensors of a bundle."""

    def tamper(bundle: Path) -> None:
        tensors = load_file(bundle / "weights.safetensors")
        change(tensors)
        save_file(tensors, bundle / "weights.safetensors")
        seal(bundle, "weights.safetensors")

    return tamper


def fill(value: float) -> Tamper:
    """Give all weights one value."""
    return change_weights(lambda tensors: [tensor.fill_(value) for tensor in tensors.values()])


def put_openvino(content: Callable[[], bytes] = graph_file, *, change: Callable[[str], str] = str) -> Tamper:
    """Put a model into a bundle in OpenVINO's form.

    Args:
        content: Makes the ONNX file that it is made from.
        change: Changes its model.xml.
    """

    def tamper(bundle: Path) -> None:
        openvino = import_openvino()
        made, folder = bundle.parent / "made.onnx", bundle / "openvino"
        made.write_bytes(content())
        folder.mkdir()
        openvino.save_model(openvino.Core().read_model(str(made)), str(folder / "model.xml"))
        (folder / "model.xml").write_text(change((folder / "model.xml").read_text()))
        write_facts(folder, {"bundle": read_facts(bundle)["sha256"]})

    return tamper


def put_openvino_facts(text: str) -> Tamper:
    """Put an exported form into a bundle that has these facts."""

    def tamper(bundle: Path) -> None:
        put_openvino()(bundle)
        (bundle / "openvino" / "facts.json").write_text(text)

    return tamper


FAR, NESTED, HUGE = "1" + "0" * 400, "[" * 100_000, 300_000_000
MORE_LABELS = {str(number): f"label {number}" for number in range(90_000)}
LONG_LABELS = [f"label {number}" for number in range(3_000)]
RULE = " | ".join(LONG_LABELS)
SHAPED = '{"a": {"dtype": "%s", "shape": %s, "data_offsets": %s}}'

ATTACKS: dict[str, Attack] = {
    # results.json
    **{
        f"facts: {name}": Attack(
            tamper=insert("results.json", f'"run": {text},'), says="results.json: cannot be"
        )
        for name, text in {
            "10 to the power of 400": FAR,
            "1e999": "1e999",
            "-1e999": "-1e999",
            "NaN": "NaN",
            "Infinity": "-Infinity",
            "nested 100,000 times": NESTED,
            "nested objects": '{"a":' * 50_000,
            "5,000 digits": "7" * 5_000,
        }.items()
    },
    "facts: nothing": Attack(tamper=put("results.json", b""), says="results.json: cannot be read"),
    "facts: a list": Attack(tamper=put("results.json", b"[]"), says="results.json: is damaged"),
    "facts: no text": Attack(tamper=put("results.json", b"\xff\xfe{"), says="results.json: cannot be read"),
    "facts: no hashes": Attack(tamper=put("results.json", b'{"sha256": 3}'), says="results.json: is damaged"),
    "facts: 300 MB": Attack(tamper=grow("results.json", HUGE), says="results.json: is 300 MB"),
    # config.json
    "config: side of 1e400": Attack(tamper=preprocess("side_px", FAR), says="config.json: cannot be read"),
    "config: mean of 1e999": Attack(
        tamper=preprocess("mean", "[1e999, 0, 0]"), says="config.json: cannot be"
    ),
    "config: mean of NaN": Attack(tamper=preprocess("mean", "[NaN, 0, 0]"), says="config.json: cannot be"),
    "config: mean of 1e300": Attack(tamper=preprocess("mean", "[1e300, 0, 0]"), says="no number (NaN)"),
    "config: std of 1e-320": Attack(tamper=preprocess("std", "[1e-320, 1, 1]"), says="no number (NaN)"),
    "config: std of text": Attack(tamper=preprocess("std", '"abc"'), says="config.json: is damaged"),
    "config: nested": Attack(tamper=insert("config.json", f'"more": {NESTED},'), says="nested too deeply"),
    "config: a version of far": Attack(tamper=configure(format_version=10**17), says="install a newer one"),
    "config: a version of a list": Attack(tamper=configure(format_version=[1] * 9_999), says="it is damaged"),
    "config: a path as a model": Attack(tamper=configure(architecture="../../evil"), says="unknown model"),
    "config: a repository": Attack(tamper=configure(architecture="timm/hf-hub:a/evil"), says="unknown model"),
    "config: 4 billion weights": Attack(
        tamper=configure(architecture="timm/eva02_enormous_patch14_clip_224"),
        says="more numbers than this file",
    ),
    "config: a head of 90,000 labels": Attack(
        tamper=lambda bundle: (
            configure(id2label=MORE_LABELS, architecture="vgg16", head="study")(bundle),
            put(
                "thresholds.csv",
                "\n".join(["label,threshold", *(f"{a},0.5" for a in MORE_LABELS.values())]).encode(),
            )(bundle),
        )[0],
        says="more numbers than this file",
    ),
    "config: 200,000 labels": Attack(
        tamper=configure(id2label={str(number): str(number) for number in range(200_000)}),
        says="there are 200,000 labels",
    ),
    "config: no labels": Attack(tamper=configure(id2label={}), says="there are 0 labels"),
    "config: labels as a list": Attack(
        tamper=configure(id2label=list(LABELS)), says="config.json: is damaged"
    ),
    "config: half a character": Attack(
        tamper=name_labels("a\ud800", "b", "c"), says=r"not printable: 'a\ud800'"
    ),
    "config: an escape sequence": Attack(
        tamper=name_labels("a\x1b[2J", "b", "c"), says=r"not printable: 'a\x1b[2J'"
    ),
    "config: right to left": Attack(
        tamper=name_labels("a\u202eb", "b", "c"), says=r"not printable: 'a\u202eb'"
    ),
    "config: NUL": Attack(tamper=name_labels("a\0b", "b", "c"), says=r"not printable: 'a\x00b'"),
    "config: no name": Attack(tamper=name_labels("  ", "b", "c"), says="a label is not printable"),
    "config: two of one name": Attack(tamper=name_labels("a", "a", "c"), says="two are the same"),
    "config: an endless name": Attack(tamper=configure(head="a" * 10**7), says="config.json: is damaged"),
    "config: a constraint of 3,000 labels": Attack(
        tamper=configure(
            id2label=dict(zip(map(str, range(3_000)), LONG_LABELS, strict=True)),
            constraints={"exclusive": [RULE]},
        ),
        says="constraints: they connect more than 1,000 labels",
    ),
    "config: constraints in a chain": Attack(
        tamper=configure(constraints={"implies": [f"{a} -> {a + 1}" for a in range(5_000)]}),
        says="constraints: they connect more than 1,000 labels",
    ),
    "config: 20,000 constraints": Attack(
        tamper=configure(constraints={"implies": ["circle -> square"] * 20_000}),
        says="constraints: there are 20,000",
    ),
    "config: 9,999 wrong constraints": Attack(
        tamper=configure(constraints={"implies": ["circle"] * 9_999}), says="constraints.implies 'circle'"
    ),
    "config: constraints that cannot be": Attack(
        tamper=configure(constraints={"implies": [3]}), says="config.json: is"
    ),
    # what is no file
    **{
        f"a pipe as {name}": Attack(
            tamper=replace_by(os.mkfifo, name), use=use, says=f"{name}: is a named pipe"
        )
        for name, use in {
            "results.json": "auto",
            "config.json": "auto",
            "weights.safetensors": "auto",
            "thresholds.csv": "auto",
            "out_of_fold.csv": "thresholds",
            "README.md": "verify",
            "split.csv": "verify",
            "model.onnx": "onnxruntime",
            "openvino/facts.json": "openvino",
            "int8/model.xml": "int8",
        }.items()
    },
    **{
        f"a link as {name}": Attack(
            tamper=replace_by(link_to_copy, name), use=use, says=f"{name}: is a symbolic"
        )
        for name, use in {
            "results.json": "auto",
            "config.json": "auto",
            "weights.safetensors": "torch",
            "thresholds.csv": "auto",
            "out_of_fold.csv": "thresholds",
            "model.onnx": "auto",
            "openvino": "auto",
            "int8/facts.json": "int8",
            "split.csv": "verify",
        }.items()
    },
    "a link as /dev/zero": Attack(
        tamper=replace_by(lambda place: place.symlink_to("/dev/zero"), "results.json"),
        says="is a symbolic link",
    ),
    "a socket": Attack(tamper=replace_by(listen, "config.json"), says="config.json: is a socket"),
    "a folder as weights": Attack(
        tamper=replace_by(Path.mkdir, "weights.safetensors"), says="weights.safetensors is missing"
    ),
    # weights.safetensors
    **{
        f"weights: {name}": Attack(
            tamper=put("weights.safetensors", content), use="torch", says="weights.safetensors: "
        )
        for name, content in {
            "nothing": b"",
            "a list of 17 MB": (17_000_000).to_bytes(8, "little") + b"{}",
            "a list of exabytes": (2**62).to_bytes(8, "little") + b"{}",
            "a negative size": header(SHAPED % ("F32", "[-3]", "[0, 36]")),
            "an overflowing size": header(SHAPED % ("F32", "[4294967296, 4294967296]", "[0, 36]")),
            "a size of 1e999": header(SHAPED % ("F32", "[1e999]", "[0, 36]")),
            "numbers that overlap": header(
                '{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}, '
                '"b": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}'
            ),
            "an unknown type": header(SHAPED % ("F999", "[9]", "[0, 36]")),
            "a type that torch lacks": header(SHAPED % ("F6_E2M3", "[48]", "[0, 36]")),
            "a nested list": header("[" * 100_000),
            "other tensors": header(SHAPED % ("F32", "[9]", "[0, 36]")),
            "a name of escapes": header(SHAPED.replace('"a"', '"\\u001b[2J"') % ("F32", "[9]", "[0, 36]")),
        }.items()
    },
    "weights: NaN": Attack(tamper=fill(float("nan")), says="no number (NaN) for 2 of 2 photos"),
    "weights: infinity": Attack(tamper=fill(float("inf")), use="torch", says="no number (NaN)"),
    "weights: 1e38": Attack(tamper=fill(1e38), use="torch", says="no number (NaN)"),
    "weights: a tensor less": Attack(
        tamper=change_weights(lambda tensors: tensors.popitem()), use="torch", says="does not fit config.json"
    ),
    "weights: a tensor of another shape": Attack(
        tamper=change_weights(lambda tensors: tensors.update({min(tensors): torch.zeros(1)})),
        use="torch",
        says="does not fit config.json",
    ),
    # thresholds.csv, out_of_fold.csv
    **{
        f"thresholds: {name}": Attack(tamper=put("thresholds.csv", content), says=says)
        for name, (content, says) in {
            "NaN": (b"label,threshold\ncircle,nan\nsquare,0\ntriangle,0\n", "'nan' is not a number"),
            "1e999": (b"label,threshold\ncircle,1e999\nsquare,0\ntriangle,0\n", "'1e999' is not a number"),
            "a cell of 1 MB": (b"label,threshold\n" + b"a" * 10**6 + b",1\n", "thresholds.csv"),
            "a heading of 1 MB": (b"a" * 10**6, "thresholds.csv"),
            "50,000 unknown labels": (b"label,threshold\n" + b"squirrel,1\n" * 50_000, "unknown label"),
            "NUL": (b"\0" * 99, "thresholds.csv"),
        }.items()
    },
    "thresholds: 300 MB": Attack(tamper=grow("thresholds.csv", HUGE), says="thresholds.csv: is 300 MB"),
    **{
        f"out of fold: {name}": Attack(
            tamper=put("out_of_fold.csv", content), use="thresholds", says="out_of_fold.csv"
        )
        for name, content in {
            "nothing": b"",
            "other labels": b"photo,group,fold,a probability,a target\n",
            "a group that is no number": (
                b"photo,group,fold,circle probability,circle target,square probability,square target,"
                b"triangle probability,triangle target\na,nan,1e999,0.5,1,0.5,1,0.5,1\n"
            ),
            "a cell of 1 MB": b"a" * 10**6,
        }.items()
    },
    # model.onnx and the folder openvino
    **{
        f"onnx, {engine}: {name}": Attack(
            tamper=put("model.onnx", content),
            use=engine,
            says=r"model.onnx|outputs of shape|no number \(NaN\)",
        )
        for name, content in FILES.items()
        for engine in ("openvino", "onnxruntime")
        # OpenVINO takes the only output, whatever it is called, and single photos one by one.
        if engine == "onnxruntime" or name not in ("one row for all photos", "no logits")
    },
    **{
        f"openvino: {name}": Attack(tamper=put_openvino(FILES[name]), says="model.xml: is refused")
        for name in (
            *("If", "Loop of a million millions", "Expand to 160 GB", "Tile of the photos"),
            *("a value doubled 25 times", "a size that grows with the photos", "an outer product"),
        )
    },
    "openvino: entities": Attack(
        tamper=put_openvino(
            change=lambda xml: xml.replace("<net", '<!DOCTYPE a [<!ENTITY a "b">]><net&a;', 1)
        ),
        says="model.xml: OpenVINO cannot read it",
    ),
    "openvino: numbers beyond its file": Attack(
        tamper=put_openvino(change=lambda xml: re.sub(r'offset="\d+"', 'offset="99999999"', xml)),
        says="model.xml: OpenVINO cannot read it",
    ),
    "openvino: nested facts": Attack(tamper=put_openvino_facts(NESTED), says="facts.json: cannot be read"),
    "openvino: facts of 1e999": Attack(tamper=put_openvino_facts('{"a": 1e999}'), says="facts.json: cannot"),
    "openvino: a list of facts": Attack(tamper=put_openvino_facts("[[]]"), says="facts.json: is damaged"),
    "openvino: another model": Attack(
        tamper=lambda bundle: (put_openvino()(bundle), fill(0.5)(bundle))[0],
        says="exported from a different model",
    ),
}


def open_and_use(bundle: Path, use: str, photos: tuple[Path, ...]) -> None:
    """Let a command open a bundle."""
    match use:
        case "thresholds":
            choose_new_thresholds(bundle, "f1")
        case "verify":
            verify(bundle)
        case _:
            predict(bundle, photos, engine=use, device="cpu")


@pytest.mark.parametrize("name", ATTACKS)
def test_a_crafted_bundle_is_refused_in_words_at_once(
    name: str, bundle: Path, shapes_table: LabelTable
) -> None:
    attack = ATTACKS[name]
    attack.tamper(bundle)
    started = time.monotonic()
    with pytest.raises(InputError) as raised:
        open_and_use(bundle, attack.use, shapes_table.photos[:2])

    said = str(raised.value)
    assert attack.says in said or re.search(attack.says, said)
    assert len(said) < 5_000
    assert time.monotonic() - started < SLOWEST_SECONDS


def test_there_are_many_attacks() -> None:
    assert len(ATTACKS) >= 60


def test_an_onnx_file_without_harm_is_used(bundle: Path, shapes_table: LabelTable) -> None:
    put("model.onnx", graph_file())(bundle)
    for engine in ("openvino", "onnxruntime"):
        open_and_use(bundle, engine, shapes_table.photos[:2])
