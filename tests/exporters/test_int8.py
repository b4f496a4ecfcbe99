"""The 8-bit version of a bundle."""

import json
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from manylabel.apply import predict
from manylabel.bundle.folder import read_bundle
from manylabel.engines import conversion
from manylabel.engines.conversion import pixels_to_openvino
from manylabel.engines.model_files import write_engine
from manylabel.engines.openvino import compile_model, has_native_bf16
from manylabel.engines.registry import open_predictor
from manylabel.errors import BundleError, ConfigError, EngineError, InputError, MissingExtraError, OutputError
from manylabel.exporters import comparison as costs
from manylabel.exporters import int8
from manylabel.exporters.int8 import _choose_photos
from manylabel.exporters.parity import Comparison, EngineRow, Loss, Parity, ParityRow
from manylabel.exporters.registry import export
from manylabel.metrics.bootstrap import wilson_interval
from manylabel.types import LabelTable, Progress

pytest.importorskip("openvino")
pytest.importorskip("nncf")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


class Pixels(nn.Module):
    """Let layers see pixels as they come from photos."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return logits [n, n_labels]."""
        logits: torch.Tensor = self.layers(pixels.permute(0, 3, 1, 2) / 255)
        return logits


@pytest.fixture(scope="module")
def exported(shapes_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle with an 8-bit version, to be read and not changed."""
    bundle = Path(shutil.copytree(shapes_bundle, tmp_path_factory.mktemp("exported") / "bundle"))
    trained_on = shapes_bundle.parent
    with accept_all():
        export(bundle, "int8", photos=trained_on / "images", labels=trained_on / "labels.csv")
    return bundle


@contextmanager
def accept_all() -> Iterator[None]:
    """Accept any change: 8 bits turn many decisions of a model of random weights."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MAX_CHANGED", "MAX_CHANGED_HIGH", "MAX_LOST", "MAX_LOST_HIGH"):
            patch.setattr(costs, name, 1.0)
        yield


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """Return a bundle with an 8-bit version that may be changed."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_an_8_bit_version_computes_about_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Pixels(
            nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.AvgPool2d(7), nn.Flatten(), nn.Linear(16, 4)
        )
    rng = np.random.default_rng(0)
    pixels = [255 * (rng.random((1, 16, 16, 3)) < share).astype(np.uint8) for share in (0.2, 0.4, 0.6, 0.8)]
    full = pixels_to_openvino(network, side_px=16)
    levels = [handler.level for handler in logging.getLogger().handlers]
    small = int8.quantize(full, pixels, has_attention=False)
    assert [handler.level for handler in logging.getLogger().handlers] == levels
    assert capsys.readouterr().out == ""

    ours, theirs = (
        np.concatenate([compile_model(model, dtype="f32", hint="LATENCY")(photo)[0] for photo in pixels])
        for model in (small, full)
    )
    assert not np.array_equal(ours, theirs)
    streams = [
        compile_model(model, dtype="f32", hint="THROUGHPUT").get_property("NUM_STREAMS")
        for model in (small, full)
    ]
    assert streams[0] == 1
    assert streams[1] >= 1
    # The brightest photo may be cut: ranges come from the mean of the largest values of each photo.
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95


def test_the_8_bit_version_is_read_back_and_used(exported: Path, shapes_table: LabelTable) -> None:
    small, full = (
        predict(exported, shapes_table.photos, engine=engine, precision="fp32").scores.values
        for engine in ("int8", "torch")
    )

    # A model of random weights tells photos apart by tiny differences, which its calibrated head makes
    # large and 8 bits round.
    assert 0 < np.abs(small - full).mean() < 0.35


def test_the_facts_hold_both_side_by_side(exported: Path) -> None:
    facts = json.loads((exported / "int8" / "facts.json").read_text(encoding="utf-8"))
    comparison = facts["comparison"]

    assert facts["n_calibration"] == 16
    assert comparison["n_photos"] == 16
    assert comparison["evaluated_on"] == "photos that did not calibrate but may have trained"
    assert list(comparison["engines"]) == ["fp32", *(["bf16"] if has_native_bf16() else []), "int8"]
    for row in comparison["engines"].values():
        assert 0 <= row["mAP"] <= 1
        assert 0 <= row["exact_match"] <= 1
        assert row["ms_per_photo"] > 0
    assert facts["sha256"].keys() == {"model.xml", "model.bin", "model.onnx"}
    for name in ("model.bin", "model.onnx"):
        weights = (exported / "int8" / name).stat().st_size
        assert weights < (exported / "weights.safetensors").stat().st_size / 2


def test_without_labels_nothing_is_measured_and_progress_is_told(copied: Path, shapes_folder: Path) -> None:
    (shapes_folder / "images" / "03.png").write_bytes(b"no photo")
    heard: list[Progress] = []

    with accept_all():
        made = export(copied, "int8", photos=shapes_folder / "images", on_progress=heard.append)

    assert made.comparison is None
    assert made.n_calibration == 31
    assert [failure.path.name for failure in made.failures] == ["03.png"]
    assert heard[-1] == Progress("photos", "calibrating", 32, 32)


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "facts.json"])
def test_a_changed_file_is_refused(name: str, copied: Path) -> None:
    file = copied / "int8" / name
    file.write_bytes(file.read_bytes()[:-10])

    with pytest.raises(BundleError, match=rf"{name}: .*export it again: manylabel export"):
        open_predictor(copied, engine="int8")


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_the_version_of_another_network_is_refused(name: str, copied: Path) -> None:
    facts = json.loads((copied / "int8" / "facts.json").read_text(encoding="utf-8"))
    facts["bundle"][name] = "another"
    (copied / "int8" / "facts.json").write_text(json.dumps(facts), encoding="utf-8")

    with pytest.raises(BundleError, match="was exported from a different model than the one in this bundle"):
        open_predictor(copied, engine="int8")


def test_a_stopped_export_leaves_what_was_there(
    copied: Path, shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.relative_to(copied) for path in copied.rglob("*"))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(int8, "compare_with_torch", stop)
    with pytest.raises(KeyboardInterrupt):
        export(copied, "int8", photos=shapes_folder / "images")

    assert sorted(path.relative_to(copied) for path in copied.rglob("*")) == before


@pytest.mark.parametrize(
    ("written_by", "error"),
    [
        ("openvino.save_model", RuntimeError("No space left on device")),
        ("pathlib.Path.write_bytes", OSError(28, "No space left on device")),
        ("pathlib.Path.write_text", OSError(28, "No space left on device")),
    ],
)
def test_a_full_disk_is_told(
    written_by: str, error: Exception, copied: Path, shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.relative_to(copied) for path in copied.rglob("*"))

    def fill_disk(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(written_by, fill_disk)
    full = pytest.raises(OutputError, match=r"copy/int8: cannot be written: No space left on device$")
    with accept_all(), full:
        export(copied, "int8", photos=shapes_folder / "images")
    assert sorted(path.relative_to(copied) for path in copied.rglob("*")) == before


def test_a_network_that_onnx_cannot_take_gets_the_form_of_openvino_alone(
    copied: Path,
    shapes_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EngineError("2.5 GB of weights")

    monkeypatch.setattr(int8, "convert_to_onnx", refuse)
    with accept_all():
        made = export(copied, "int8", photos=shapes_folder / "images")

    assert "there will be no int8/model.onnx: 2.5 GB of weights" in caplog.text
    assert len(made.parity.rows) == 1
    assert sorted(file.name for file in made.path.iterdir()) == ["facts.json", "model.bin", "model.xml"]
    predict(copied, shapes_folder / "images", engine="int8")


def test_photos_that_judge_did_not_calibrate(shapes_table: LabelTable) -> None:
    chosen = _choose_photos(Path("unused"), shapes_table, n_labels=5)

    assert chosen.rows is not None
    assert len(chosen.calibrating) == len(chosen.rows) == 16
    assert {shapes_table.photos[row] for row in chosen.rows} == set(chosen.evaluated)
    assert set(chosen.evaluated).isdisjoint(chosen.calibrating)
    # With 3 labels these would be too few decisions.
    assert len(_choose_photos(Path("unused"), shapes_table, n_labels=3).evaluated) == 32


def test_a_given_test_part_judges(shapes_table: LabelTable) -> None:
    parts = (*["train"] * 20, *["test"] * 12)
    table = replace(shapes_table, parts=parts)  # type: ignore[arg-type]  # mypy sees str

    chosen = _choose_photos(Path("unused"), table, n_labels=7)

    assert chosen.rows is not None
    assert chosen.rows.tolist() == list(range(20, 32))
    assert chosen.calibrating == list(table.photos[:20])
    assert chosen.evaluated == list(table.photos[20:])


def test_one_photo_cannot_do_both(shapes_table: LabelTable) -> None:
    with pytest.raises(InputError, match="one photo cannot serve both calibration and evaluation"):
        _choose_photos(Path("unused"), shapes_table.take(np.array([0])), n_labels=3)


def test_without_photos_there_are_no_ranges(copied: Path) -> None:
    with pytest.raises(ConfigError, match="8-bit integers need --photos DIR"):
        export(copied, "int8")


def test_the_distance_from_torch_is_measured_and_kept(exported: Path) -> None:
    facts = json.loads((exported / "int8" / "facts.json").read_text(encoding="utf-8"))
    engines = facts["parity"]["engines"]
    numbers = "bf16" if has_native_bf16() else "fp32"
    assert list(engines) == [f"OpenVINO, int8 and {numbers}", "ONNX Runtime, int8"]
    for row in engines.values():
        assert 0 < row["max_difference"] <= 1
    assert facts["parity"]["evaluated_on"] == "32 photos and 4 of noise"
    assert facts["parity"]["n_decisions"] == 96


def found(n_changed: int, *, n_decisions: int = 840, difference: float = 0.101) -> Parity:
    """Return a comparison in which some decisions changed."""
    row = ParityRow(engine="OpenVINO", max_difference=difference, mean_difference=0.011, n_changed=n_changed)
    return Parity(rows=(row,), n_decisions=n_decisions, evaluated_on="24 photos")


def test_a_distance_beyond_the_given_limit_is_refused_and_what_was_there_stays(
    copied: Path, shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "compare_with_torch", lambda *_, **__: found(3))
    before = (copied / "int8" / "facts.json").read_bytes()
    images, labels = shapes_folder / "images", shapes_folder / "labels.csv"

    with pytest.raises(EngineError) as caught:
        export(copied, "int8", photos=images, labels=labels, max_difference=0.05)

    said = str(caught.value)
    assert "differ by up to 0.1, at most 0.05 is accepted (--max-difference); nothing was written. " in said
    assert "OpenVINO: 0.1 at most, 0.011 on average, 3 of 840 decisions change. On 16 photos (" in said
    assert re.search(
        r"\) they change mAP from [\d.]+ to [\d.]+ %, exact match from [\d.]+ to [\d.]+ %\. They", said
    )
    assert re.search(r"[\d.]+ times as fast as 32-bit numbers(, [\d.]+ times as fast as bf16)?\. ", said)
    assert said.endswith(" --max-difference 0.11 accepts it")
    assert (copied / "int8" / "facts.json").read_bytes() == before
    export(copied, "int8", photos=images, max_difference=0.11)


@pytest.mark.parametrize(
    ("parity", "problem"),
    [
        (found(0, difference=0.9), None),
        (found(16), None),
        (found(17), r"changes 17 of 840 decisions, 2\.0 % \(95 % interval 1\.3 to 3\.2 %\); at most 2 % may"),
        (
            found(2, n_decisions=100),
            r"changes 2 of 100 .* more photos would narrow the interval",
        ),
        (found(0, n_decisions=70), "changes 0 of 70 decisions"),
    ],
)
def test_a_version_that_changes_too_many_decisions_is_refused(parity: Parity, problem: str | None) -> None:
    check = partial(costs.check_cost, parity, None, bundle=Path("b"), max_difference=None)
    if problem is None:
        check()
    else:
        with pytest.raises(EngineError, match=problem):
            check()


@pytest.mark.parametrize(
    ("loss", "is_refused"),
    [
        (Loss(mAP=0.009, low=-0.01, high=0.03, n_groups=40), False),
        (Loss(mAP=0.011, low=-0.01, high=0.03, n_groups=40), True),
        (Loss(mAP=0.0, low=-0.06, high=0.06, n_groups=40), True),
        (Loss(mAP=0.3, low=0.1, high=0.5, n_groups=39), False),
        (None, False),
    ],
)
def test_a_version_that_loses_too_much_mAP_is_refused(loss: Loss | None, is_refused: bool) -> None:
    row = EngineRow(mAP=0.8, exact_match=0.5, ms_per_photo=1.0)
    comparison = Comparison(
        engines={"fp32": row, "int8": row}, loss=loss, n_photos=40, evaluated_on="test photos", notes=()
    )
    with pytest.raises(EngineError, match="points of mAP") if is_refused else nullcontext():
        costs.check_cost(found(0), comparison, bundle=Path("b"), max_difference=None)


def test_mAP_of_the_same_scores_is_not_lost(exported: Path) -> None:
    loss = json.loads((exported / "int8" / "facts.json").read_text(encoding="utf-8"))["comparison"]["loss"]
    assert loss["low"] <= loss["mAP"] <= loss["high"]
    assert loss["n_groups"] <= 16


@pytest.mark.parametrize(
    ("n_labeled", "said"),
    [
        (None, "not measured; --labels FILE would"),
        (39, "measured on 39 photos and shown; it decides from 40 photos on"),
        (40, "refused, too, where mAP on 40 photos falls by more than 1 point"),
    ],
)
def test_what_will_be_refused_is_said_beforehand(n_labeled: int | None, said: str) -> None:
    first, second, third = costs.announce(n_calibrating=160, n_evaluated=40, n_labeled=n_labeled)
    assert first == "the 8-bit version takes its ranges from 160 photos and is compared on 40"
    assert "more than 2 % of decisions change, or the 95 % interval of that share ends above 5 %" in second
    assert said in third


@pytest.mark.parametrize(("n_labels", "needed"), [(1, 73), (3, 25), (10, 8), (100, 1)])
def test_too_few_photos_to_judge_are_refused_before_any_work(n_labels: int, needed: int) -> None:
    where = Path("few")
    assert costs.count_evaluated(needed, n_labels=n_labels, where=where) == needed
    assert costs.count_evaluated(1000, n_labels=n_labels, where=where) == 100
    assert wilson_interval(0, needed * n_labels).high <= costs.MAX_CHANGED_HIGH
    if needed > 1:
        with pytest.raises(InputError, match=f"given {needed - 1}, expected at least {needed} to compare 73"):
            costs.count_evaluated(needed - 1, n_labels=n_labels, where=where)


@pytest.mark.parametrize("is_native", [True, False])
def test_a_processor_without_8_bit_instructions_is_told_beforehand(
    is_native: bool,
    copied: Path,
    shapes_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(int8, "has_native_int8", lambda: is_native)
    monkeypatch.setattr(int8, "_read_pixels", stop)
    with pytest.raises(KeyboardInterrupt):
        export(copied, "int8", photos=shapes_folder / "images")
    assert ("this processor has no 8-bit instructions" in caplog.text) != is_native


@pytest.mark.parametrize("difference", [float("nan"), float("inf")])
def test_an_8_bit_version_that_computes_no_numbers_cannot_be_accepted(
    difference: float, copied: Path, shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "compare_with_torch", lambda *_, **__: found(0, difference=difference))
    with pytest.raises(EngineError, match=r"nothing was written\. Such numbers cannot be used$"):
        export(copied, "int8", photos=shapes_folder / "images", max_difference=1.0)


def test_no_photos_are_told(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no photo found in .*empty"):
        export(copied, "int8", photos=tmp_path / "empty")

    (tmp_path / "empty" / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"too few photos .* given 1, expected at least 25"):
        export(copied, "int8", photos=tmp_path / "empty")

    for number in range(25):
        (tmp_path / "empty" / f"{number}.jpg").write_bytes(b"no photo")
    with pytest.raises(InputError, match="no photo can be read to calibrate"):
        export(copied, "int8", photos=tmp_path / "empty")


def test_a_missing_library_is_told_with_the_command_that_installs_it(
    copied: Path, shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ModuleNotFoundError("No module named 'nncf'")

    monkeypatch.setattr(int8, "import_nncf", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[int8\]'"):
        export(copied, "int8", photos=shapes_folder / "images")
    monkeypatch.setattr(int8, "has_openvino", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[int8,openvino\]'"):
        export(copied, "int8", photos=shapes_folder / "images")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[int8\]'"):
        export(copied, "int8", photos=shapes_folder / "images")


def test_the_file_says_what_it_needs_to_be_used(exported: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported / "int8" / "model.onnx")
    assert [output.name for output in session.get_outputs()] == ["probabilities", "logits"]
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["manylabel.labels"]) == list(read_bundle(exported).config.labels)
    assert json.loads(told["manylabel.numbers"]) == "int8"
    assert len(json.loads(told["manylabel.thresholds"])) == 3


def test_a_version_that_was_made_before_there_was_an_onnx_file_is_used(
    copied: Path, shapes_table: LabelTable
) -> None:
    bundle = read_bundle(copied)
    model = conversion.convert_bundle(bundle)
    write_engine(copied / "int8", model, facts={"bundle": bundle.facts["sha256"]})

    said = predict(copied, shapes_table.photos, engine="int8", precision="fp32").scores.values
    expected = predict(copied, shapes_table.photos, engine="torch", precision="fp32").scores.values
    np.testing.assert_allclose(said, expected, atol=1e-3)
