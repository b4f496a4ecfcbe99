"""What crosses the borders of modules: types instead of dictionaries, codes and numbers instead of sentences.

In:  every file of the package, parsed.
Out: a failed test that names what is new. Both lists of exceptions only shrink.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "manylabel"
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

# JSON of files, read or written, and what torch and safetensors take.
DICTIONARIES = {
    "bundle/config_json.py: config_from_dict",
    "bundle/config_json.py: config_to_dict",
    "bundle/folder.py: Bundle.facts",
    "bundle/folder.py: change_facts",
    "bundle/folder.py: write_bundle",
    "bundle/onnx_file.py: add_onnx",
    "bundle/onnx_file.py: expected_onnx",
    "data/check.py: as_dict",
    "data/formats/contents.py: first_objects",
    "data/formats/contents.py: list_records",
    "engines/model_files.py: EngineFiles.facts",
    "engines/model_files.py: write_engine",
    "engines/model_files.py: write_facts",
    "models/backbones/base.py: filled_tensor",
    "preprocess.py: Preprocessing.from_dict",
    "preprocess.py: Preprocessing.to_dict",
    "training/loop.py: parameter_groups",
}

# Texts of more than six words per folder, besides errors, log lines, and the help of settings and entries of
# registries. Most are the later half of an error; notes about photos left out are the rest.
SENTENCES = {
    "apply.py": 1,
    "bundle": 3,
    "constraints.py": 5,
    "data": 167,
    "dataset.py": 2,
    "decisions": 2,
    "engines": 2,
    "errors.py": 3,
    "estimator.py": 1,
    "explanation": 1,
    "exporters": 11,
    "io": 1,
    "labeling.py": 5,
    "live_model": 2,
    "model.py": 1,
    "models": 24,
    "preparation.py": 1,
    "preprocess.py": 1,
    "pretrained.py": 2,
    "recipes.py": 4,
    "results": 1,
    "serving": 18,
    "thresholds.py": 1,
    "training": 15,
}
_WRITES_PROSE = ("report/", "cli/")  # what is shown, and the screen it is shown on
_EXPLAINED = {"description", "heading", "help", "summary", "words"}
_MOST_WORDS = 6


def list_dictionaries(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    """Name public functions and attributes that take or give a dictionary of anything."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield from list_dictionaries(node, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) if not name.startswith("_"):
                given = [*node.args.args, *node.args.kwonlyargs]
                if any(map(_is_dictionary, [*(argument.annotation for argument in given), node.returns])):
                    yield f"{prefix}{name}"
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                if _is_dictionary(node.annotation):
                    yield f"{prefix}{name}"


def _is_dictionary(annotation: ast.expr | None) -> bool:
    return annotation is not None and "[str, Any]" in ast.unparse(annotation)


def list_sentences(tree: ast.Module) -> Iterator[str]:
    """List texts of more than six words that are no docstring, error, log line or help."""
    excused = {id(part) for node in ast.walk(tree) if _is_excused(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        text = _text_of(node)
        if id(node) not in excused and text is not None:
            excused |= {id(part) for part in ast.walk(node)}
            if len(text.split()) > _MOST_WORDS:
                yield text


def _is_excused(node: ast.AST) -> bool:
    match node:
        case ast.Raise() | ast.Expr(value=ast.Constant()):
            return True
        case ast.keyword(arg=name):
            return name in _EXPLAINED
        case ast.Call(func=ast.Attribute(attr="append" | "extend", value=ast.Name(id="problems"))):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="_logger" | "warnings"))):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name.endswith("Error")
    return False


def _text_of(node: ast.AST) -> str | None:
    match node:
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in values)
        case ast.Constant(value=str(text)):
            return text
    return None


def test_dictionaries_of_anything_stay_inside_of_modules() -> None:
    assert {f"{name}: {found}" for name, tree in TREES.items() for found in list_dictionaries(tree)} == (
        DICTIONARIES
    )


def test_sentences_are_written_in_one_place() -> None:
    counts = Counter[str]()
    for name, tree in TREES.items():
        if not name.startswith(_WRITES_PROSE):
            counts[name.partition("/")[0]] += len([*list_sentences(tree)])
    assert {name: count for name, count in sorted(counts.items()) if count} == SENTENCES


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class A:\n    facts: dict[str, Any]", ["A.facts"]),
        ("def f(given: Mapping[str, Any] | None) -> None: ...", ["f"]),
        ("def f() -> dict[str, Any]: ...\ndef _g() -> dict[str, Any]: ...", ["f"]),
        ("def f(given: dict[str, int]) -> None: ...", []),
    ],
)
def test_a_dictionary_is_found(text: str, found: list[str]) -> None:
    assert [*list_dictionaries(ast.parse(text))] == found


@pytest.mark.parametrize(
    ("text", "n_found"),
    [
        ('x = f"{a} is better than {b} by {c} points"', 1),
        ('"""One two three four five six seven."""\nraise E("one two three four five six seven")', 0),
        ('_logger.info("one two three four five six seven")', 0),
        ('f(help="one two three four five six seven")', 0),
        ('f(text="one two three four five six seven")', 1),
    ],
)
def test_a_sentence_is_found(text: str, n_found: int) -> None:
    assert len([*list_sentences(ast.parse(text))]) == n_found
