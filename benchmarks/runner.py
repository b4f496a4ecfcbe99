"""Run one case in a process of its own, and time it.

In:  a case.
Out: wall seconds, peak memory and what the run itself gave; the end of its output where it failed.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.cases import OUT, ROOT, Case, Values
from manylabel.report.run_info import hide_folders_in_sentence

_SAMPLE_SECONDS = 1.0
_TAIL_CHARACTERS = 1500
_KIB_PER_MIB = 1024


def run_case(case: Case, *, log: Path) -> Values | str:
    """Run a case once.

    Args:
        case: What to run.
        log: File for everything that it prints.

    Returns:
        ``seconds`` of the whole process, ``peak_mib`` and the values that the run gave. Where it failed, the
        end of what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="manylabel-benchmark-") as folder:
        environment = {name: value.replace(OUT, folder) for name, value in case.environment.items()}
        command = [word.replace(OUT, folder) for word in case.command]
        seconds, peak_mib, code = timed(command, environment=environment, log=log)
        if code != 0:
            return _tail(log) or f"ended with exit code {code}"
        try:
            return {"seconds": seconds, "peak_mib": peak_mib, **case.read(Path(folder))}
        except (OSError, KeyError, ValueError) as error:
            return f"ran, but its results cannot be read: {error!r}"


def timed(command: Sequence[str], *, environment: dict[str, str], log: Path) -> tuple[float, float, int]:
    """Run a command; return wall seconds, peak memory in MiB and the exit code.

    The peak is the larger of two: what the process and all its children held together, looked at once a
    second, with shared pages counted once where the system tells; and the most that any one ever held.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watch = _MemoryWatch(process.pid)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        except BaseException:
            _end_tree(process.pid)
            raise
        finally:
            watch.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    return seconds, max(watch.peak_mib, usage.ru_maxrss / _KIB_PER_MIB), process.returncode


class _MemoryWatch(threading.Thread):
    """Look once a second at what a process and its children hold."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0.0
        self._pid = pid
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.wait(_SAMPLE_SECONDS):
            self.peak_mib = max(self.peak_mib, tree_mib(self._pid))

    def stop(self) -> None:
        """Stop looking."""
        self._is_over.set()
        self.join()


def tree_mib(pid: int) -> float:
    """Return the memory of a process and its children in MiB; 0 once it has ended."""
    try:
        top = psutil.Process(pid)
        return sum(_process_mib(process) for process in (top, *top.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0.0


def _process_mib(process: psutil.Process) -> float:
    try:
        memory = process.memory_full_info()
        # The proportional size shares a page that forked workers share among them.
        return float(getattr(memory, "pss", memory.rss)) / 2**20
    except psutil.Error:
        return 0.0


def _end_tree(pid: int) -> None:
    try:
        top = psutil.Process(pid)
        for process in (*top.children(recursive=True), top):
            process.kill()
    except psutil.NoSuchProcess:
        return


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    return hide_folders_in_sentence(text[-_TAIL_CHARACTERS:].strip())
