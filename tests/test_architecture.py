"""The rules of this code base that no linter holds.

In:  every file of the package, as text; the package itself, in a process of its own.
Out: a failed test that names file, line and rule. Each rule is also shown something that breaks it.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "manylabel"
FILES = sorted(PACKAGE.rglob("*.py"))

MAX_FILE_LINES = 400
MAX_BODY_LINES = 50

HEAVY = ("accelerate", "nncf", "openvino", "timm", "torch", "torchvision")
SLOW = ("matplotlib", "openpyxl", "pandas", "scipy", "sklearn")
# What importing any module of these must not load; a name stands for all that lies below it.
LIGHT = {
    ("__init__", "config", "errors", "io", "recipes"): {*HEAVY, *SLOW, "numpy"},
    ("bundle", "data", "decisions", "metrics", "preprocess", "quiet_imports", "results", "review", "types"): {
        *HEAVY,
        *SLOW,
    },
    ("report", "explanation", "serving"): {*HEAVY},
}

Rule = Callable[[ast.Module, str], Iterator[str]]


def first_lines_say_what_goes_in_and_out(tree: ast.Module, text: str) -> Iterator[str]:
    """Find a file whose docstring has no ``In:`` and ``Out:`` line."""
    lines = (ast.get_docstring(tree) or "").splitlines()
    for mark in ("In:", "Out:"):
        if not any(line.startswith(mark) for line in lines):
            yield f"1: the docstring of the file has no line '{mark} ...'"


def files_are_short(tree: ast.Module, text: str) -> Iterator[str]:
    """Find a file that is too long."""
    n_lines = len(text.splitlines())
    if n_lines > MAX_FILE_LINES:
        yield f"{n_lines}: the file has {n_lines} lines, at most {MAX_FILE_LINES}"


def functions_are_short(tree: ast.Module, text: str) -> Iterator[str]:
    """Find functions whose body, apart from the docstring, is too long."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1:2] if ast.get_docstring(node, clean=False) is not None else node.body
            n_lines = (node.end_lineno or 0) - first[0].lineno + 1 if first else 0
            if n_lines > MAX_BODY_LINES:
                yield f"{node.lineno}: the body of {node.name} has {n_lines} lines, at most {MAX_BODY_LINES}"


def nothing_is_printed(tree: ast.Module, text: str) -> Iterator[str]:
    """Find prints and writes to the terminal."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield f"{node.lineno}: prints"
            case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr"):
                yield f"{node.lineno}: reaches for sys.{node.attr}"


def no_data_is_run_as_code(tree: ast.Module, text: str) -> Iterator[str]:
    """Find whatever runs code that may come from a file: pickles, ``eval``, ``exec``, unsafe loaders."""
    for node in ast.walk(tree):
        match node:
            # The error that torch's safe loader raises; it runs nothing.
            case ast.ImportFrom(module="pickle", names=[ast.alias(name="UnpicklingError")]):
                continue
            case ast.Import(names=[*_]) | ast.ImportFrom():
                modules = [alias.name for alias in node.names]
                modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                for module in {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"} & {
                    name.split(".")[0] for name in modules
                }:
                    yield f"{node.lineno}: imports {module}"
            case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" as name)):
                yield f"{node.lineno}: calls {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load")):
                if not _passes(node, "weights_only", value=True):
                    yield f"{node.lineno}: torch.load without weights_only=True"
            case ast.Call() if _passes(node, "allow_pickle", value=True):
                yield f"{node.lineno}: allows pickles"


def _passes(call: ast.Call, keyword: str, *, value: object) -> bool:
    return any(
        given.arg == keyword and isinstance(given.value, ast.Constant) and given.value.value is value
        for given in call.keywords
    )


RULES: tuple[Rule, ...] = (
    first_lines_say_what_goes_in_and_out,
    files_are_short,
    functions_are_short,
    nothing_is_printed,
    no_data_is_run_as_code,
)


def _is_bound(rule: Rule, path: Path) -> bool:
    if rule is first_lines_say_what_goes_in_and_out:
        return path.name != "__init__.py"
    return rule is not nothing_is_printed or PACKAGE / "cli" not in path.parents


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_follows_the_rule(rule: Rule) -> None:
    problems = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if _is_bound(rule, path):
            problems += [f"{path}:{problem}" for problem in rule(ast.parse(text), text)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("rule", "text", "problem"),
    [
        (first_lines_say_what_goes_in_and_out, '"""Do it.\n\nIn: a.\n"""', "'Out: ...'"),
        (first_lines_say_what_goes_in_and_out, "import os", "'In: ...'"),
        (files_are_short, "x = 1\n" * 401, "401 lines"),
        (functions_are_short, "def f():\n    '''Doc.'''\n" + "    x = 1\n" * 51, "51 lines"),
        (functions_are_short, "class A:\n  async def f(self):\n" + "    x = 1\n" * 51, "51 lines"),
        (nothing_is_printed, "print(1)", "prints"),
        (nothing_is_printed, "import sys\nsys.stderr.write('x')", "2: reaches for sys.stderr"),
        (no_data_is_run_as_code, "import pickle", "imports pickle"),
        (no_data_is_run_as_code, "from pickle import loads", "imports pickle"),
        (no_data_is_run_as_code, "from joblib import load", "imports joblib"),
        (no_data_is_run_as_code, "eval('1')", "calls eval"),
        (no_data_is_run_as_code, "torch.load(path)", "weights_only"),
        (no_data_is_run_as_code, "torch.load(path, weights_only=False)", "weights_only"),
        (no_data_is_run_as_code, "np.load(path, allow_pickle=True)", "allows pickles"),
    ],
)
def test_a_rule_finds_what_breaks_it(rule: Rule, text: str, problem: str) -> None:
    assert problem in "\n".join(rule(ast.parse(text), text))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (functions_are_short, "def f():\n    '''Doc.\n" + "\n" * 60 + "    '''\n" + "    x = 1\n" * 50),
        (functions_are_short, "def f():\n    '''Doc.'''"),
        (no_data_is_run_as_code, "model.eval()\ntorch.load(path, weights_only=True)"),
    ],
)
def test_a_rule_lets_pass_what_keeps_it(rule: Rule, text: str) -> None:
    assert list(rule(ast.parse(text), text)) == []


def test_whatever_is_imported_is_a_declared_dependency() -> None:
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {_plain_name(re.split(r"[^\w.-]", line)[0]) for group in groups for line in group}
    imported = {module for path in FILES for module in _imported_modules(path)}
    undeclared = {
        module
        for module in imported - sys.stdlib_module_names - {"manylabel"}
        if declared.isdisjoint(map(_plain_name, packages_distributions().get(module, [module])))
    }
    assert {"numpy", "PIL"} <= imported
    assert undeclared == set()


def test_the_picture_of_the_layers_is_the_one_that_is_checked() -> None:
    root = PACKAGE.parents[1]
    linter = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    checked = [layer.split(" | ") for layer in linter["contracts"][0]["layers"] if layer != "__main__"]
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    picture = text.partition("**Imports go down only.**")[2].split("```")[1]
    drawn = [layer.split(" | ") for line in picture.split("\n") for layer in line.split(" > ") if layer]
    assert drawn == [[name for name in layer if not name.startswith("(")] for layer in checked]


def _plain_name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name.split(".")[0] for alias in aliases)
            case ast.ImportFrom(module=str(module)):
                yield module.split(".")[0]


def test_the_rules_see_the_package() -> None:
    assert {PACKAGE / "config.py", PACKAGE / "data" / "__init__.py"} <= set(FILES)


@pytest.mark.parametrize("names", LIGHT, ids=" ".join)
def test_importing_light_modules_loads_nothing_heavy(names: tuple[str, ...]) -> None:
    modules = [
        _module_name(path) for path in FILES if path.relative_to(PACKAGE).with_suffix("").parts[0] in names
    ]
    assert modules
    assert _loaded_by(f"import {', '.join(modules)}") & LIGHT[names] == set()


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@pytest.mark.skipif(find_spec("manylabel.cli.main") is None, reason="there is no command line yet")
def test_help_loads_no_engine() -> None:
    code = "sys.argv = ['manylabel', '--help']; from manylabel.cli.main import main; sys.exit(main())"
    assert _loaded_by(code) & {*HEAVY, *SLOW} == set()


def _loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh Python has loaded once it ran the code."""
    report = "import atexit, sys; atexit.register(lambda: print('\\nLOADED', *sys.modules)); "
    ran = subprocess.run([sys.executable, "-c", report + code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return {name.split(".")[0] for name in ran.stdout.rpartition("LOADED")[2].split()}
