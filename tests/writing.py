"""What tests of files and folders share.

In:  a folder; a program that begins to write and waits.
Out: what lies in the folder; the running program.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def untimed_contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a run that hold neither times nor dates."""
    return {
        name: content
        for name, content in contents(folder).items()
        if Path(name).suffix in {".csv", ".safetensors"} and name != "table.csv"
    }


@contextmanager
def written_elsewhere(program: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program that prints "writing" once it has begun to write a place, and does not end."""
    words = [sys.executable, "-c", program, str(place)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()
