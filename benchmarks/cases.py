"""What can be measured: a command in a process of its own, under a key.

In:  the settings of a benchmark.
Out: cases, and the words in which a command is shown.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Values = dict[str, float]
"""Numbers that a run gave, by name; the unit stands in the name."""

ROOT = Path(__file__).parents[1]
_PLAIN = re.compile(r"[\w@%+=:,./$-]+")
OUT = "{out}"
"""Stands in a command for the fresh folder of a run."""

MANYLABEL = ("-c", "from manylabel.cli.main import main; main()")
"""The words behind ``python`` that are the program ``manylabel`` of this checkout."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Say where everything lies.

    Attributes:
        data: Folder with a folder per photo set.
        weights: Folder of pre-trained weights.
        work: Folder for what is made once and used again: drawn photos, converted weights, a bundle.
        python: The Python that has manylabel.
        peers_python: The Python that has the peers.
        results: Folder of the results.
        sizes: Numbers of photos of the part "growth".
    """

    data: Path
    weights: Path
    work: Path
    python: Path
    peers_python: Path
    results: Path = ROOT / "benchmarks" / "results"
    sizes: tuple[int, ...] = (200, 2000, 20000)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Say what to measure.

    Attributes:
        key: What tells it from the other cases of its part, e.g. ``{"tool": "fastai", "set": "scenes_160"}``.
        command: The words of the command; ``{out}`` stands for the fresh folder of a run.
        read: Reads from that folder, after the run, the numbers that the run gave.
        environment: Variables to set; ``{out}`` stands for the same folder.
        packages: Packages whose versions decide the result.
        prepare: Makes what the command needs and what is not to be measured.
    """

    key: Mapping[str, str]
    command: Sequence[str]
    read: Callable[[Path], Values]
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: Sequence[str] = ("torch", "torchvision", "numpy", "pillow")
    prepare: Callable[[], object] = lambda: None


def manylabel_command(settings: Settings, *words: str) -> list[str]:
    """Return the words that run ``manylabel``."""
    return [str(settings.python), *MANYLABEL, *words]


def manylabel_environment(cache: str = f"{OUT}/cache") -> dict[str, str]:
    """Return variables that run the manylabel of this checkout; its cache is cold unless told otherwise."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {"PYTHONPATH": path, "MANYLABEL_CACHE": cache}


def worker_command(settings: Settings, worker: str, *words: str, after: Sequence[str] = ()) -> list[str]:
    """Return the words that run a module of ``benchmarks/workers``; ``after`` are the last ones."""
    return [str(settings.python), "-m", f"benchmarks.workers.{worker}", *words, "--out", OUT, *after]


def shown(command: Sequence[str], settings: Settings) -> str:
    """Write a command as someone else would type it: no folder of this machine, no interpreter.

    Examples:
        >>> here = Path("/home/ada")
        >>> settings = Settings(
        ...     data=here / "data", weights=here / "w", work=here / "x", python=here / "bin/python",
        ...     peers_python=here / "peers/python",
        ... )
        >>> shown(["/home/ada/bin/python", *MANYLABEL, "compare", "/home/ada/data/scenes/images"], settings)
        'manylabel compare $DATA/scenes/images'
    """
    words = ["python" if word in _interpreters(settings) else word for word in command]
    if tuple(words[1:3]) == MANYLABEL:
        words = ["manylabel", *words[3:]]
    places = {OUT: "$OUT", str(settings.data): "$DATA", str(settings.weights): "$WEIGHTS"}
    places |= {str(settings.work): "$WORK", f"{ROOT}/": ""}
    for place, name in places.items():
        words = [word.replace(place, name) for word in words]
    return " ".join(word if _PLAIN.fullmatch(word) else shlex.quote(word) for word in words)


def select(cases: Iterable[Case], wanted: Mapping[str, Sequence[str]]) -> list[Case]:
    """Keep the cases whose key has one of the wanted values, wherever it has the field at all.

    Args:
        cases: All cases of a part.
        wanted: Values by field; a field without values keeps every case.

    Examples:
        >>> case = Case(key={"tool": "fastai"}, command=[], read=lambda out: {})
        >>> len(select([case], {"tool": ["fastai"], "set": ["scenes"]}))
        1
        >>> len(select([case], {"tool": ["torchvision"]}))
        0
    """
    return [
        case
        for case in cases
        if all(
            not values or name not in case.key or case.key[name] in values for name, values in wanted.items()
        )
    ]


def _interpreters(settings: Settings) -> tuple[str, str]:
    return str(settings.python), str(settings.peers_python)
