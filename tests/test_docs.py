"""Every command and every Python block that the documents show."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from manylabel.data.sample import draw_sample

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
    draw_sample("postcards", n_photos=40)
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
