"""The versions of `make test-oldest` are the oldest that pyproject.toml allows, of every package.

In:  pyproject.toml, tests/oldest.txt.
Out: a failing test for each minimum that one has and the other has not.
"""

import re
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OLDEST = ROOT / "tests" / "oldest.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

# They check or measure the code and take no part in the tests: their newest versions will do.
TOOLS = {"import-linter", "mypy", "pandas-stubs", "pytest-cov", "ruff", "types-defusedxml"}


def pins_of(lines: Iterable[str]) -> list[str]:
    """Write the minimum of each line as a constraint of pip.

    Args:
        lines: Requirements, each with one minimum: ``numpy>=2.0``, or one version: ``numpy==2.0``.

    Raises:
        ValueError: A requirement has no minimum, or more than a minimum.

    Examples:
        >>> pins_of(["NumPy>=2.0; python_version > '3'", "manylabel[onnx]", "torch==2.10"])
        ['numpy==2.0', 'torch==2.10']
    """
    requirements = [Requirement(line) for line in lines]
    return sorted(_pin_of(requirement) for requirement in requirements if requirement.name != PROJECT["name"])


def _pin_of(requirement: Requirement) -> str:
    match = re.fullmatch(r"[>=]=([^,]+)", str(requirement.specifier))
    if match is None:
        raise ValueError(f"{requirement} has no single minimum, as in 'numpy>=2.0'")
    return f"{canonicalize_name(requirement.name)}=={match[1]}"


def _constraints() -> list[str]:
    lines = (line.partition("#")[0].strip() for line in OLDEST.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def test_every_dependency_is_pinned_to_its_minimum() -> None:
    lines = [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())]
    minimums = pins_of(line for line in lines if Requirement(line).name not in TOOLS)
    assert sorted(_constraints()) == sorted(set(minimums))


def test_a_package_has_one_minimum_wherever_it_is_named() -> None:
    names = [line.partition("==")[0] for line in _constraints()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("line", ["numpy", "numpy>=2.0,<3", "numpy<3", "numpy!=2.1", "numpy~=2.0"])
def test_a_requirement_without_a_single_minimum_is_told(line: str) -> None:
    with pytest.raises(ValueError, match="has no single minimum"):
        pins_of([line])
