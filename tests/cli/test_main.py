"""What ends the program ``manylabel``, and what does not: full memory, letters that a stream cannot write."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from manylabel.cli import main as program
from manylabel.cli.main import is_out_of_memory, main
from manylabel.errors import EngineError

LABELS = ("đèn lồng", "Hồ Gươm", "\U0001f3ee")


@pytest.fixture
def vietnamese(tmp_path: Path) -> Path:
    """Return a folder of photos and labels whose names ASCII and Windows-1252 lack."""
    (tmp_path / "images").mkdir()
    rows = [",".join(("image", *LABELS))]
    for number in range(8):
        pixels = np.random.default_rng(number).integers(256, size=(24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"ảnh {number}.png")
        rows.append(f"ảnh {number}.png,{number % 2},{number // 2 % 2},{number // 4}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def run(*words: str | Path, encoding: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output goes through pipes of an encoding."""
    return subprocess.run(
        [sys.executable, "-m", "manylabel", *words],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"},
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_no_letter_ends_a_command(encoding: str, vietnamese: Path) -> None:
    ran = run("check", vietnamese / "images", vietnamese / "labels.csv", encoding=encoding)

    said = ran.stdout.decode(encoding)
    assert ran.returncode == 0, ran.stderr
    for label in LABELS:
        assert label.encode(encoding, "backslashreplace").decode(encoding) in said


def test_no_letter_ends_an_error(vietnamese: Path) -> None:
    ran = run("check", vietnamese / "ảnh", encoding="ascii")

    assert ran.returncode == 2
    assert rb"\u1ea3nh" in ran.stderr
    assert b"Traceback" not in ran.stderr


def allocate_too_much() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def fail_in_numpy() -> None:
    np.empty(2**60, dtype=np.uint8)


@pytest.mark.parametrize("fill", [allocate_too_much, fail_in_numpy])
def test_what_libraries_raise_where_memory_is_full_is_known(fill: object) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as raised:
        fill()  # type: ignore[operator]

    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize(
    ("error", "is_known"),
    [
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"
            ),
            True,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("bad allocation"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (MemoryError(), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_full_memory_is_told_from_other_errors(error: Exception, is_known: bool) -> None:
    assert is_out_of_memory(error) == is_known


def end_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a command end with an error; return the exit code."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(program, "app", fail)
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried\nto allocate")])
def test_full_memory_is_one_sentence_with_a_way_out(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(error, monkeypatch) == 2

    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("error: out of memory")
    assert "fewer views (--set training.n_views=1" in said
    assert "smaller batches" in said


def test_other_errors_of_a_library_keep_their_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "app", lambda: torch.ones(2, 3) @ torch.ones(2, 3))

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        main()


def test_a_full_disk_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(OSError(errno.ENOSPC, "No space left on device", "runs/a"), monkeypatch) == 2
    assert capsys.readouterr().err == "error: runs/a: No space left on device\n"


def test_an_error_of_ours_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(EngineError("no way"), monkeypatch) == 2
    assert capsys.readouterr().err == "error: no way\n"


def test_commands_that_do_not_train_are_refused_in_several_processes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["manylabel", "predict", "bundle", "photos"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    said = "error: manylabel predict runs in one process; start it without accelerate launch or torchrun"
    assert " ".join(capsys.readouterr().err.split()) == said
