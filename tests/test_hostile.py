"""Bundles that somebody made to do harm: nothing of them runs, everything is refused in words.

Hashes protect against damage, not against somebody who writes both the files and their hashes; so every file
here carries the right hash.
"""

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.apply import predict
from manylabel.engines.registry import open_predictor
from manylabel.errors import BundleError, EngineError, InputError
from manylabel.io.files import file_sha256
from manylabel.types import LabelTable

pytest.importorskip("openvino")


@pytest.fixture
def bundle(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle to tamper with."""
    return Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))


def seal(bundle: Path, name: str) -> None:
    """Put the hash of a file into results.json, as whoever made it would."""
    facts = json.loads((bundle / "results.json").read_text(encoding="utf-8"))
    if name == "model.onnx":
        facts["exports"] = {"onnx": {"sha256": file_sha256(bundle / name), "bundle": facts["sha256"]}}
    else:
        facts["sha256"][name] = file_sha256(bundle / name)
    (bundle / "results.json").write_text(json.dumps(facts), encoding="utf-8")


def rewrite_config(bundle: Path, **changes: Any) -> None:
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    (bundle / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    seal(bundle, "config.json")


class Harm:
    """Leave a mark when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.onnx"])
def test_a_pickle_under_another_name_is_not_run(name: str, bundle: Path, tmp_path: Path) -> None:
    (bundle / name).write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    seal(bundle, name)
    with pytest.raises(InputError):
        open_predictor(bundle, engine="torch" if name.startswith("weights") else "onnxruntime")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (2**62).to_bytes(8, "little") + b"{}",
        (60).to_bytes(8, "little") + b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}',
        (72).to_bytes(8, "little")
        + b'{"a": {"dtype": "F32", "shape": [4611686018427387904], "data_offsets": [0, 4]}}',
    ],
)
def test_weights_that_promise_more_than_they_hold_are_refused(content: bytes, bundle: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(content)
    seal(bundle, "weights.safetensors")
    with pytest.raises(BundleError, match=r"weights\.safetensors: (does not fit|is damaged)"):
        open_predictor(bundle, engine="torch")


@pytest.mark.parametrize(
    "name",
    [
        "timm/hf-hub:someone/evil",
        "hf-hub:someone/evil",
        "timm/local-dir:/tmp/evil",
        "../../evil",
        "os.system",
    ],
)
def test_a_network_of_unknown_name_is_neither_imported_nor_downloaded(name: str, bundle: Path) -> None:
    rewrite_config(bundle, architecture=name)
    with pytest.raises(BundleError, match="unknown model"):
        open_predictor(bundle, engine="torch")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("side_px", 10**9),
        ("side_px", -1),
        ("side_px", "224"),
        ("n_views", 10**6),
        ("std", [0.0, 0.2, 0.2]),
        ("mean", [0.5]),
        ("mean", ["0.5", 0.5, 0.5]),
        ("crop_fraction", 0.0),
        ("interpolation", "__import__"),
        ("fit", "none"),
        ("orientation", "any way"),
        ("lambda", 1),
    ],
)
def test_preprocessing_beyond_all_measure_is_refused(key: str, value: object, bundle: Path) -> None:
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    rewrite_config(bundle, preprocessing={**config["preprocessing"], key: value})
    with pytest.raises(BundleError, match=r"config\.json: is damaged"):
        open_predictor(bundle)


@pytest.mark.parametrize("name", ["config.json", "results.json"])
def test_json_that_never_ends_its_nesting_is_refused(name: str, bundle: Path) -> None:
    (bundle / name).write_text("[" * 100_000, encoding="utf-8")
    if name == "config.json":
        seal(bundle, name)
    with pytest.raises(BundleError, match=rf"{name}: cannot be read"):
        open_predictor(bundle)


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "1.5", "__import__('os')"])
def test_thresholds_that_are_no_probabilities_are_refused(value: str, bundle: Path) -> None:
    text = f"label,threshold\ncircle,{value}\nsquare,0.5\ntriangle,0.5\n"
    (bundle / "thresholds.csv").write_text(text, encoding="utf-8")
    seal(bundle, "thresholds.csv")
    with pytest.raises(BundleError, match=r"thresholds\.csv, line 2: .* is not a number from 0 to 1"):
        open_predictor(bundle)


def onnx_file(*, external: str = "", domain: str = "", side_px: int = 64) -> bytes:
    """Make an ONNX file of the right inputs and outputs, with something wrong inside."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, proto = onnx.helper, onnx.TensorProto
    pixels = helper.make_tensor_value_info("pixels", proto.UINT8, ["n", side_px, side_px, 3])
    logits = helper.make_tensor_value_info("logits", proto.FLOAT, ["n", 3])
    weights = helper.make_tensor("weights", proto.FLOAT, [3, 3], np.ones(9, np.float32).tolist())
    if external:
        weights = proto(name="weights", data_type=proto.FLOAT, dims=[3, 3])
        weights.data_location = proto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", "36")):
            weights.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=proto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Evil" if domain else "MatMul", ["mean", "weights"], ["logits"], domain=domain),
    ]
    graph = helper.make_graph(nodes, "graph", [pixels], [logits], [weights])
    opsets = [helper.make_opsetid("", 13), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    "make",
    [
        lambda secret: onnx_file(external=f"../{secret.name}"),
        lambda secret: onnx_file(external=str(secret)),
        lambda secret: onnx_file(domain="com.evil"),
        lambda secret: onnx_file()[:-20],
        lambda secret: b"\x08\x08" + b"\x3a\xff\xff\xff\xff\x7f",
    ],
    ids=["a file outside", "an absolute path", "an unknown operation", "cut off", "rubbish"],
)
def test_an_onnx_file_reaches_for_nothing_outside(
    make: Any,
    engine: Any,
    bundle: Path,
    tmp_path: Path,
    shapes_table: LabelTable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.full(9, 7, np.float32).tobytes())
    (bundle / "model.onnx").write_bytes(make(secret))
    seal(bundle, "model.onnx")
    with pytest.raises((BundleError, EngineError)):
        predict(bundle, shapes_table.photos[:1], engine=engine)


def test_an_onnx_file_of_another_size_is_refused(
    bundle: Path, tmp_path: Path, shapes_table: LabelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    (bundle / "model.onnx").write_bytes(onnx_file(side_px=32))
    seal(bundle, "model.onnx")
    for engine in ("onnxruntime", "openvino"):
        with pytest.raises((BundleError, EngineError)):
            predict(bundle, shapes_table.photos[:1], engine=engine)
