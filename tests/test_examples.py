"""The notebooks of examples/ run, and show tables and pictures."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from manylabel.data.sample import write_sample

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path) -> None:
    pytest.importorskip("openvino")
    write_sample("postcards", n_photos=40)
    names: dict[str, Any] = {}
    shown = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            shown.append(_run("".join(cell["source"]), names))
            assert cell["outputs"] == []  # no output is kept that nobody computed

    pages = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert len(pages) == 5
    assert all("<table" in page or "<img" in page for page in pages)


def _run(source: str, names: dict[str, Any]) -> object:
    """Run a cell; return the value of its last line, which a notebook shows."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    value: object = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return value
