"""Say how a run was made, without telling who made it or where on the disk.

In:  the command, the settings, the clock.
Out: RunInfo, with the versions of the libraries and the parts of the machine that decide speed.
"""

import os
import platform
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from manylabel.results import RunInfo

_LIBRARIES = ("manylabel", "numpy", "pillow", "torch", "torchvision", "timm")
_QUOTED = re.compile(r'(?<=")[^"\n]*(?=")')
_BARE_FOLDER = re.compile(r"(?<![\w./:~-])(?:~?/(?:[^\s/:]+/)+|[A-Za-z]:\\(?:[^\s\\:]+\\)+)")


def gather_run_info(
    command: Sequence[str],
    *,
    started: datetime,
    stage_seconds: Mapping[str, float],
    seed: int,
    recipe: str,
    config_toml: str,
) -> RunInfo:
    """Gather how a run was made; call it at the end of the run.

    Args:
        command: The words of the command, e.g. ``["manylabel", "compare", "photos"]``; empty without one.
        started: When the run started; the wall time is counted from here to now.
        stage_seconds: Wall time per stage, outside the trials.
        seed: Seed of every random choice.
        recipe: Name of the recipe that the settings started from.
        config_toml: Every setting of the run, as TOML.
    """
    return RunInfo(
        command=shlex.join(
            [*(PurePath(word).name for word in command[:1]), *map(_hide_in_word, command[1:])]
        ),
        started=started.isoformat(timespec="seconds"),
        seconds=(datetime.now(started.tzinfo) - started).total_seconds(),
        seed=seed,
        recipe=recipe,
        versions=gather_versions(),
        machine=gather_machine(),
        stage_seconds=dict(stage_seconds),
        config_toml=hide_folders(config_toml),
    )


def gather_versions() -> dict[str, str]:
    """Return the version of Python and of every library that decides numbers; none of them is imported."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def gather_machine() -> dict[str, str]:
    """Return processor, cores, memory, accelerators and system; no host and no user name."""
    parts = {
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
        "memory": _memory(),
        "accelerator": _accelerators(),
        "system": f"{platform.system()} {platform.release()} ({platform.machine()})",
    }
    return {name: words for name, words in parts.items() if words}


def hide_folders(text: str) -> str:
    r"""Replace absolute paths in double quotes by their last part, so that a report can be handed on.

    Paths below the working folder become relative ones.

    Args:
        text: Settings as TOML.

    Examples:
        >>> hide_folders('photos = "/home/ada/photos"')
        'photos = "…/photos"'
        >>> hide_folders('weights = ["vgg16=/home/ada/vgg16.pth"]')
        'weights = ["vgg16=…/vgg16.pth"]'
        >>> hide_folders('labels = "labels.csv"')
        'labels = "labels.csv"'
    """
    return _QUOTED.sub(lambda quoted: _hide_in_word(quoted[0]), text)


def hide_folders_in_sentence(text: str) -> str:
    """Shorten absolute paths that stand in a sentence without quotes.

    Examples:
        >>> hide_folders_in_sentence("read from /home/ada/photos/labels.csv; see https://example.org/a/b")
        'read from …/labels.csv; see https://example.org/a/b'
    """
    return _BARE_FOLDER.sub("…/", text)


def _hide_in_word(word: str) -> str:
    """Hide the folder in ``PATH``, ``--option=PATH`` and ``NAME=PATH``."""
    name, equals, value = word.rpartition("=")
    return f"{name}{equals}{_hide_folder(value)}"


def _hide_folder(path: str) -> str:
    """Make a path relative where it lies below the working folder, else keep its last part only."""
    if Path(path).is_absolute() and Path(path).is_relative_to(Path.cwd()):
        return Path(path).relative_to(Path.cwd()).as_posix()
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(path).is_absolute() or path.startswith("~"):
            return f"…/{kind(path).name}"
    return path


def _processor() -> str:
    """Return the processor's name; ``platform.processor()`` is empty or "x86_64" on most systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return match[1].strip()
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        return asked.stdout.strip() or platform.machine()
    return platform.processor() or platform.machine()


def _memory() -> str:
    """Return the memory in GiB, empty where the system does not say."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return ""
    n_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{n_bytes / 2**30:.0f} GiB"


def _accelerators() -> str:
    """Return the NVIDIA devices that the driver lists, empty without any."""
    listed = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    models = [
        re.search(r"^Model:\s*(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE) for file in listed
    ]
    return ", ".join(model[1].strip() for model in models if model)
