"""Say what a measurement was made with: the machine, and the versions of what ran.

In:  a Python, names of packages.
Out: words for the results; no host and no user name.
"""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from benchmarks.cases import ROOT
from manylabel.report.run_info import gather_machine

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_ASK = """
import importlib.metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@cache
def describe_machine() -> Mapping[str, str]:
    """Return processor, the vector instructions that matter, usable cores, memory and system."""
    flags = cpu_flags()
    return {
        **gather_machine(),
        # Without the release: another kernel is no other machine.
        "system": f"{platform.system()} ({platform.machine()})",
        "flags": " ".join(flag for flag in _FLAGS if flag in flags),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    }


def cpu_flags() -> frozenset[str]:
    """Return the flags that the processor lists; none where the system does not say."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    match = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    return frozenset(match[1].split() if match else ())


@cache
def gather_versions(python: Path, packages: Sequence[str]) -> Mapping[str, str]:
    """Return the versions of packages in an environment; those that are not installed are left out.

    Args:
        python: The interpreter of the environment.
        packages: Their names. "manylabel" gets the state of its source: it is measured from this checkout.
    """
    asked = subprocess.run([python, "-c", _ASK, *packages], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(asked.stdout)
    if "manylabel" in packages:
        versions["manylabel"] = f"source {source_state()}"
    return versions


@cache
def source_state() -> str:
    """Return a short hash of the committed source, with a "+" where it has uncommitted changes."""
    tree = _git("rev-parse", "--short", "HEAD:src") or "unknown"
    return tree + ("+" if _git("status", "--porcelain", "--", "src") else "")


def _git(*words: str) -> str:
    try:
        asked = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
