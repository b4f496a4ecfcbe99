"""Folders of photos that hold nothing, and tables of labels beside them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.annotation.author import Author
from manylabel.annotation.label_store import LabelStore
from manylabel.config import DataConfig
from manylabel.data.formats.read import read_table_as
from manylabel.types import LabelTable

ADA = Author(name="Ada", client="1", queue="all")
PHOTOS = ("a.jpg", "b.jpg", "c.jpg", "in/d.jpg")

Read = Callable[..., LabelTable]
ReadAnswers = Callable[[Path], dict[str, dict[str, float]]]
WriteTable = Callable[..., Path]


def kill(store: LabelStore) -> None:
    """Leave everything on the disk as a killed process does: nothing more is written."""
    store._writer.write = lambda: True  # type: ignore[method-assign]
    store.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with four photos; labels depend on their names only, so they are empty files."""
    folder = tmp_path / "photos"
    for name in PHOTOS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Return what writes a table of labels."""

    def write(content: str | bytes, name: str = "labels.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def read_answers(photos: Path) -> Callable[..., dict[str, dict[str, float]]]:
    """Return what reads a table as training does: targets by photo and label."""

    def read(path: Path, config: DataConfig | None = None) -> dict[str, dict[str, float]]:
        config = DataConfig() if config is None else config
        table = read_table_as(config, path, photos=photos, purpose="checking")
        return {
            name: dict(zip(table.labels, targets, strict=True))
            for name, targets in zip(table.names, table.targets.tolist(), strict=True)
        }

    return read
