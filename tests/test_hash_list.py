"""Every file of a bundle checked, and told from a forged one by the SHA-256 of their list."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from manylabel.bundle.folder import BundleConfig, change_facts, read_bundle, replace_thresholds, write_bundle
from manylabel.constraints import parse_constraints
from manylabel.errors import BundleError, ConfigError
from manylabel.hash_list import Verification, verify
from manylabel.io.files import file_sha256, write_atomically
from manylabel.preprocess import Preprocessing
from manylabel.types import Thresholds

LABELS = ("sea", "sky")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a bundle with weights that are none, and forms that were exported."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "split.csv").write_bytes(b"image,part\n")
    write_bundle(
        folder,
        config=BundleConfig(
            backbone="resnet50",
            head="linear",
            labels=LABELS,
            preprocessing=Preprocessing(),
            constraints=parse_constraints(labels=LABELS),
        ),
        thresholds=Thresholds(values=np.array([0.25, 0.5]), origin=""),
        facts={},
        card="# A card\n",
        write_weights=lambda path: write_atomically(path, b"weights"),
    )
    (folder / "model.onnx").write_bytes(b"onnx")
    facts = json.loads((folder / "results.json").read_text())
    facts["exports"] = {"onnx": {"sha256": file_sha256(folder / "model.onnx"), "bundle": facts["sha256"]}}
    (folder / "results.json").write_text(json.dumps(facts))
    (folder / "openvino").mkdir()
    (folder / "openvino" / "model.xml").write_bytes(b"<net/>")
    hashes = {"model.xml": file_sha256(folder / "openvino" / "model.xml")}
    (folder / "openvino" / "facts.json").write_text(json.dumps({"sha256": hashes}))
    return folder


def states(found: Verification) -> dict[str, str]:
    return {file.name: file.state for file in found.files}


def test_every_file_of_a_bundle_is_checked(bundle: Path) -> None:
    found = verify(bundle)

    assert states(found) == {
        "README.md": "as written",
        "config.json": "as written",
        "results.json": "holds the hashes",
        "model.onnx": "as written",
        "openvino/facts.json": "holds the hashes",
        "openvino/model.xml": "as written",
        "split.csv": "as written",
        "thresholds.csv": "as written",
        "weights.safetensors": "as written",
    }
    assert found.unused == ()


def test_the_list_is_that_of_sha256sum(bundle: Path) -> None:
    names = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256((bundle / name).read_bytes()).hexdigest()}  {name}\n" for name in names]

    assert verify(bundle).sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize(
    "name", ["config.json", "weights.safetensors", "model.onnx", "openvino/model.xml", "split.csv"]
)
def test_a_damaged_file_is_named(name: str, bundle: Path) -> None:
    with (bundle / name).open("ab") as file:
        file.write(b" ")

    with pytest.raises(BundleError, match=f"{name}: has changed since"):
        verify(bundle)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("README.md", "train again"),
        ("model.onnx", "export that form again"),
        ("openvino/model.xml", "export that form again"),
        ("split.csv", "train again"),
    ],
)
def test_a_missing_file_is_named_with_what_helps(name: str, remedy: str, bundle: Path) -> None:
    (bundle / name).unlink()

    with pytest.raises(BundleError, match=f"{name}: is missing\nCopy the bundle again, or {remedy}"):
        verify(bundle)


def test_all_problems_are_told_at_once(bundle: Path) -> None:
    (bundle / "split.csv").write_bytes(b"")
    (bundle / "README.md").unlink()

    with pytest.raises(BundleError, match=r"README\.md: is missing\n.*split\.csv: has changed"):
        verify(bundle)


def test_thresholds_and_the_card_may_be_edited_and_that_is_told(bundle: Path) -> None:
    before = verify(bundle).sha256
    (bundle / "README.md").write_text("mine")
    (bundle / "thresholds.csv").write_text("label,threshold\nsea,0.3\nsky,0.5\n")

    found = verify(bundle)

    assert [name for name, state in states(found).items() if state == "edited"] == [
        "README.md",
        "thresholds.csv",
    ]
    assert found.sha256 != before


def test_thresholds_that_were_chosen_anew_are_as_written(bundle: Path) -> None:
    replace_thresholds(read_bundle(bundle), Thresholds(values=np.array([0.1, 0.2]), origin="by hand"))

    assert states(verify(bundle))["thresholds.csv"] == "as written"


def test_what_earlier_versions_did_not_list_is_told(bundle: Path) -> None:
    facts = json.loads((bundle / "results.json").read_text())
    del facts["sha256"]["README.md"], facts["sha256"]["split.csv"]
    (bundle / "results.json").write_text(json.dumps(facts))

    found = verify(bundle)

    assert [name for name, state in states(found).items() if state == "not listed"] == [
        "README.md",
        "split.csv",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_belongs_to_no_bundle_is_named_and_not_opened(bundle: Path) -> None:
    os.mkfifo(bundle / "notes.txt")
    (bundle / "openvino" / "link").symlink_to("/dev/zero")

    assert verify(bundle).unused == ("notes.txt", "openvino/link")


def test_the_expected_list_is_accepted_and_another_refused(bundle: Path) -> None:
    expected = verify(bundle).sha256
    assert verify(bundle, expect=expected.upper()).sha256 == expected

    # A forger writes the file and its hash.
    (bundle / "weights.safetensors").write_bytes(b"forged")
    sha256 = file_sha256(bundle / "weights.safetensors")
    change_facts(
        bundle, lambda facts: {**facts, "sha256": {**facts["sha256"], "weights.safetensors": sha256}}
    )
    assert states(verify(bundle))["weights.safetensors"] == "as written"

    with pytest.raises(BundleError, match=rf"is not the expected bundle: .*expected {expected}"):
        verify(bundle, expect=expected)


def test_what_is_no_sha256_is_told(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="expect: given 'abc', expected a SHA-256: 64 hexadecimal digits"):
        verify(bundle, expect="abc")


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "is missing"), ("[]", "is damaged"), ('{"sha256": 1}', "is damaged")]
)
def test_facts_of_a_form_are_needed(content: str | None, problem: str, bundle: Path) -> None:
    (bundle / "openvino" / "facts.json").unlink()
    if content is not None:
        (bundle / "openvino" / "facts.json").write_text(content)

    with pytest.raises(BundleError, match=rf"openvino/facts\.json: {problem}"):
        verify(bundle)
