"""Every command and every Python block that the documents show.

Blocks of docs/ run in a folder with a bundle in models/postcards, and in photos/ one photo that its EXIF
turns, one in grayscale and one that is see-through in part.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from manylabel.apply import predict
from manylabel.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from manylabel.data.sample import write_sample

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/*.toml")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ |#? {4})?(manylabel [a-z](?:[^\n\\]|\\\n)*)$", re.MULTILINE)


def commands() -> list[str]:
    """List the command lines of all documents, continued lines joined."""
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    return sorted({command.replace("\\\n", " ") for text in texts for command in COMMAND.findall(text)})


def test_documents_show_commands() -> None:
    assert any(command.startswith("manylabel compare ") for command in commands())


@pytest.mark.parametrize("command", commands())
def test_a_shown_command_is_understood(command: str) -> None:
    from manylabel.cli.main import app

    _, name, *words = shlex.split(command, comments=True)
    group = typer.main.get_command(app)
    parsed = group.get_command(typer.Context(group), name)  # type: ignore[attr-defined]
    assert parsed is not None, f"there is no command {name}"

    parsed.make_context(name, words)


@pytest.mark.usefixtures("empty_folder")
def test_the_python_block_of_the_readme_runs() -> None:
    write_sample("postcards", n_photos=40)
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def python_blocks() -> list[Any]:
    """List the Python blocks of docs/, each with the name of its document."""
    documents = sorted(ROOT.glob("docs/**/*.md"))
    return [
        pytest.param(block, id=f"{document.stem}-{number}")
        for document in documents
        for number, block in enumerate(BLOCK.findall(document.read_text(encoding="utf-8")))
    ]


@pytest.fixture(scope="module")
def reader_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder in which a reader of docs/ types: a trained and exported bundle, and odd photos."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from manylabel.exporters.registry import export  # not at the top: other tests do without torch
    from manylabel.pipeline import train

    folder = tmp_path_factory.mktemp("reader")
    write_sample(folder / "postcards", n_photos=40)
    config = RunConfig(
        out=str(folder / "models" / "postcards"),
        data=DataConfig(
            photos=str(folder / "postcards" / "images"), labels=str(folder / "postcards" / "labels.csv")
        ),
        model=ModelConfig(names=("squeezenet1_1",), init="random", side_px=64),
        training=TrainingConfig(tune="head", epochs=10, n_views=2, precision="fp32", engine="torch"),
    )
    export(train(config).out, "onnx")
    (folder / "photos").mkdir()
    first, second, third = sorted((folder / "postcards" / "images").iterdir())[:3]
    save_turned(Image.open(first), folder / "photos" / "turned.jpg")
    Image.open(second).convert("L").save(folder / "photos" / "grayscale.png")
    see_through = Image.open(third).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    see_through.save(folder / "photos" / "see-through.png")
    return folder


def save_turned(photo: Image.Image, path: Path) -> None:
    """Save a photo lying on its side, with a note in EXIF how to turn it, as a phone does."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    photo.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)


@pytest.mark.parametrize("block", python_blocks())
def test_a_python_block_of_docs_runs(
    block: str, reader_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reader_folder)
    exec(compile(block, "docs", "exec"), {})


def test_the_program_beside_an_exported_file_scores_as_manylabel_does(
    reader_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reader_folder)
    (block,) = BLOCK.findall((ROOT / "docs" / "export.md").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    exec(compile(block, "docs/export.md", "exec"), names)

    said = predict("models/postcards", "photos", engine="onnxruntime")
    assert said.scores.names == ("grayscale.png", "see-through.png", "turned.jpg")
    for name, expected in zip(said.scores.names, said.scores.values, strict=True):
        np.testing.assert_allclose(names["probabilities"][name], expected, atol=1e-5)
    # Read as it lies in the file, the photo would look otherwise: the test could not fail else.
    Image.fromarray(np.asarray(Image.open("photos/turned.jpg"))).save(tmp_path / "lying.png")
    upright, lying = (names["read_pixels"](path) for path in ("photos/turned.jpg", tmp_path / "lying.png"))
    assert np.abs(upright.astype(float) - lying).mean() > 5
