"""The tutorial, command by command, as a reader types it."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = "from manylabel.cli.main import main; main()"


def tutorial() -> list[str]:
    """List the commands of the tutorial in their order, continued lines joined."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    return [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").strip().splitlines()]


def test_every_command_of_the_tutorial_runs(empty_folder: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    commands = [shlex.split(line) for line in tutorial()]
    assert [command[0] for command in commands].count("manylabel") == 7

    server: subprocess.Popen[str] | None = None
    try:
        for program, *words in commands:
            if words[0] == "serve":
                # Another port than the one in the text, which may be taken.
                server = subprocess.Popen(
                    [sys.executable, "-u", "-c", PROGRAM, *words, "--port", "0"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
                assert server.stdout is not None
                found = re.search(r"http://\S+", server.stdout.readline())
                assert found is not None
                url = found[0]
            elif program == "curl":
                words = [word.replace("http://127.0.0.1:8000", url) for word in words]
                done = subprocess.run(["curl", "-s", *words], capture_output=True, text=True, check=True)
                assert '"labels"' in done.stdout
            else:
                done = subprocess.run(
                    [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, f"{words}: {done.stderr}"
    finally:
        if server is not None:
            server.terminate()
            server.communicate()
    assert (empty_folder / "why" / "index.html").is_file()
    assert len((empty_folder / "predictions.csv").read_text(encoding="utf-8").splitlines()) == 201
