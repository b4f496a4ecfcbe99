"""Parts are made once, go on after a kill, and never mix two models, lists or settings."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manylabel.apply import predict
from manylabel.cluster import manifest as manifest_module
from manylabel.cluster import parts as parts_module
from manylabel.cluster.manifest import Manifest, keep_manifest
from manylabel.cluster.parts import Part, PartScorer, Shard
from manylabel.cluster.scoring import PartsSummary, hold_shard, predict_parts
from manylabel.data.photo_list import PhotoFolder
from manylabel.errors import BundleError, ConfigError, InputError, OutputError
from manylabel.exporters.predictions.formats import CsvRows
from manylabel.io.files import new_file
from manylabel.types import Progress

N_PHOTOS = 32
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".csv": pd.read_csv,
    ".jsonl": lambda path: pd.read_json(path, lines=True),
}


@pytest.fixture
def images(shapes_folder: Path) -> Path:
    """Return a folder of 32 photos."""
    return shapes_folder / "images"


@pytest.fixture
def score(shapes_bundle: Path, images: Path, tmp_path: Path) -> Callable[..., PartsSummary]:
    """Return ``predict_parts`` for those photos, in CSV files of 10."""

    def run(**changes: Any) -> PartsSummary:
        settings = {
            "bundle": shapes_bundle, "photos": images, "out": tmp_path / "scores",
            "part_format": ".csv", "part_size": 10, "precision": "fp32", **changes,
        }  # fmt: skip
        return predict_parts(**settings)

    return run


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, locks aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("ending", READERS)
def test_the_parts_together_are_the_predictions(
    score: Callable[..., PartsSummary], shapes_bundle: Path, images: Path, tmp_path: Path, ending: str
) -> None:
    summary = score(part_format=ending)
    assert (summary.n_parts, summary.n_complete, summary.n_new, summary.n_photos) == (4, 4, 4, N_PHOTOS)
    parts = sorted((tmp_path / "scores").glob(f"part-*{ending}"))
    assert [path.stem for path in parts] == [f"part-{number:05d}" for number in range(4)]
    frame = pd.concat(map(READERS[ending], parts), ignore_index=True)
    expected = predict(shapes_bundle, images, precision="fp32")
    assert list(frame["image"]) == list(expected.scores.names)
    if ending != ".jsonl":
        scores = frame[list(expected.scores.labels)].to_numpy()
        np.testing.assert_allclose(scores, expected.scores.values, atol=1e-5)


def test_a_second_call_makes_nothing_anew(score: Callable[..., PartsSummary], tmp_path: Path) -> None:
    score()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "scores").glob("part-*")}
    again = score()
    assert (again.n_parts, again.n_complete, again.n_new, again.n_photos) == (4, 4, 0, N_PHOTOS)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "scores").glob("part-*")}


@pytest.mark.parametrize("lost", ["part-00002.csv", "_parts/part-00002.json"])
def test_only_what_is_missing_is_made_and_it_is_the_same(
    score: Callable[..., PartsSummary], tmp_path: Path, lost: str
) -> None:
    score()
    before = read_files(tmp_path / "scores")
    (tmp_path / "scores" / lost).unlink()
    again = score()
    assert (again.n_complete, again.n_new, again.n_photos) == (4, 1, N_PHOTOS)
    assert read_files(tmp_path / "scores") == before


def test_a_part_that_was_cut_off_is_made_again(score: Callable[..., PartsSummary], tmp_path: Path) -> None:
    score()
    part = tmp_path / "scores" / "part-00001.csv"
    whole = part.read_bytes()
    part.write_bytes(whole[:-10])
    assert score().n_new == 1
    assert part.read_bytes() == whole


def test_a_part_that_was_damaged_is_made_again(score: Callable[..., PartsSummary], tmp_path: Path) -> None:
    score()
    part = tmp_path / "scores" / "part-00001.csv"
    whole = part.read_bytes()
    part.write_bytes(whole[:-10] + bytes(10))
    assert score().n_new == 1
    assert part.read_bytes() == whole


def test_photos_that_begin_a_part_behind_the_last_are_noticed(
    score: Callable[..., PartsSummary], images: Path
) -> None:
    score(part_size=8)
    shutil.copy(images / "00.png", images / "zzz.png")
    with pytest.raises(OutputError, match=r"they filled 4 parts, and zzz\.png begins another one"):
        score(part_size=8)
    (images / "zzz.png").unlink()
    assert score(part_size=8).n_new == 0


def test_photos_that_are_gone_with_a_part_that_nobody_wrote_are_noticed(
    score: Callable[..., PartsSummary], images: Path
) -> None:
    score(part_size=8, shard="1/2")
    for number in range(24, 32):
        (images / f"{number}.png").unlink()
    with pytest.raises(OutputError, match=r"they filled 4 parts, and now they fill 3"):
        score(part_size=8, shard="2/2")


def test_each_call_checks_the_files_of_its_own_shard(
    score: Callable[..., PartsSummary], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    score(part_size=8)
    part = tmp_path / "scores" / "part-00001.csv"
    part.write_bytes(part.read_bytes()[:-10] + bytes(10))

    assert score(part_size=8, shard="1/2").n_new == 0
    assert not [one for one in caplog.messages if "damaged" in one]
    assert score(part_size=8, shard="2/2").n_new == 1
    assert sum("part-00001.csv: is damaged or cannot be read" in one for one in caplog.messages) == 1


def test_shares_together_make_what_one_call_makes(score: Callable[..., PartsSummary], tmp_path: Path) -> None:
    score()
    for number in (3, 1, 2):
        shared = score(out=tmp_path / "shared", shard=f"{number}/3")
    assert (shared.n_complete, shared.n_new) == (4, 1)
    assert read_files(tmp_path / "shared") == read_files(tmp_path / "scores")


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_off_by_a_day_does_no_harm(
    score: Callable[..., PartsSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    score()
    shared, seconds = tmp_path / "shared", days * 86_400
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + seconds)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + seconds * 10**9)
    score(out=shared, shard="1/2")
    for path in shared.rglob("*"):
        if path.is_file():
            os.utime(path, (now() + seconds, now() + seconds))
    left = shared / f".part-00001.csv.123-{time.time_ns():x}.tmp"  # of a process that was killed
    left.write_bytes(b"half")
    monkeypatch.undo()

    assert score(out=shared).n_new == 2
    assert read_files(shared) == read_files(tmp_path / "scores")


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "part_size": ({"part_size": 11}, r"settings\.part_size: then 10, now 11"),
    "part_format": ({"part_format": ".jsonl"}, r"settings\.part_format: then '\.csv', now '\.jsonl'"),
    "device": ({"device": "cpu"}, r"settings\.device: then 'auto', now 'cpu'"),
    "threshold": (
        {"thresholds": {"circle": 0.75}},
        r"settings\.threshold of circle: then 0\.\d+, now 0\.75",
    ),
    "engine": ({"engine": "torch"}, r"settings\.engine: then 'OpenVINO, fp32', now 'torch, fp32'"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_setting_is_refused_by_name(
    score: Callable[..., PartsSummary], tmp_path: Path, change: str
) -> None:
    score(shard="1/4")
    before = read_files(tmp_path / "scores")
    changes, difference = CHANGES[change]
    with pytest.raises(
        OutputError, match=f"contains predictions made with other inputs or settings:\n  {difference}"
    ):
        score(**changes)
    assert read_files(tmp_path / "scores") == before


def test_another_bundle_or_version_is_refused_by_name(
    score: Callable[..., PartsSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(shard="1/4")
    path = tmp_path / "scores" / "manifest.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["bundle"]["weights.safetensors"] = "0" * 64
    kept["versions"]["openvino"] = "1.0"
    path.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(OutputError) as told:
        score()
    assert "bundle.weights.safetensors: then '0000" in str(told.value)
    assert "versions.openvino: then '1.0', now " in str(told.value)
    monkeypatch.setattr(manifest_module, "__version__", "9.9")
    with pytest.raises(OutputError, match=r"versions\.manylabel: then '.*', now '9\.9'"):
        score()


def test_a_photo_that_was_added_is_noticed(
    score: Callable[..., PartsSummary], images: Path, tmp_path: Path
) -> None:
    score()
    shutil.copy(images / "00.png", images / "00b.png")
    with pytest.raises(
        OutputError, match=r"part-00000\.csv: the photos have changed since this part was written: it had 10"
    ):
        score()
    (images / "00b.png").unlink()
    for number in range(30, 32):
        (images / f"{number}.png").unlink()
    with pytest.raises(OutputError, match=r"contains part-00003, but the photos now fill only 3 parts"):
        score()


def test_a_list_that_was_edited_is_noticed(
    score: Callable[..., PartsSummary], images: Path, tmp_path: Path
) -> None:
    photos = images / "list.txt"
    photos.write_text("00.png\n01.png\n", encoding="utf-8")
    assert score(photos=photos).n_photos == 2
    photos.write_text("00.png\n02.png\n", encoding="utf-8")
    with pytest.raises(OutputError, match=r"photos\.sha256: then '[0-9a-f]{64}'"):
        score(photos=photos)


def test_rows_keep_the_order_of_the_list_with_errors_between(
    score: Callable[..., PartsSummary], images: Path, tmp_path: Path
) -> None:
    names = ["05.png", "no.png", "03.png", "memory://none.png", "05.png"]
    photos = images / "list.csv"
    photos.write_text("\n".join(["image", *names]), encoding="utf-8")
    summary = score(photos=photos, part_size=3)
    assert (summary.n_photos, summary.n_unreadable) == (5, 2)
    frame = pd.concat(map(pd.read_csv, sorted((tmp_path / "scores").glob("part-*.csv"))), ignore_index=True)
    assert list(frame["image"]) == names
    assert list(frame["error"].fillna("")) == ["", "there is no such file", "", "there is no such file", ""]
    assert frame["circle"].isna().tolist() == [False, True, False, True, False]


def test_a_part_with_too_many_unreadable_photos_is_not_written_and_the_others_are(
    score: Callable[..., PartsSummary], images: Path, tmp_path: Path
) -> None:
    good = (images / "12.png").read_bytes()
    for number in (11, 12):
        (images / f"{number}.png").write_bytes(b"no photo")
    summary = score(max_unreadable=0.1)
    assert (summary.n_complete, list(summary.failures)) == (3, ["part-00001.csv"])
    assert not (tmp_path / "scores/part-00001.csv").exists()
    problem = r"1 of 4 parts not written; run .*\npart-00001\.csv: 2 of 10 photos are unreadable, more than"
    with pytest.raises(InputError, match=problem):
        summary.check()
    (images / "12.png").write_bytes(good)
    again = score(max_unreadable=0.1)
    assert (again.n_complete, again.n_new, again.n_unreadable) == (4, 1, 1)
    again.check()


@pytest.mark.parametrize(("fewest", "n_complete"), [(10, 3), (11, 4)])
def test_a_large_part_of_which_nothing_can_be_read_is_not_written(
    score: Callable[..., PartsSummary],
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    fewest: int,
    n_complete: int,
) -> None:
    monkeypatch.setattr(parts_module, "_FEWEST_WITHOUT_ANY", fewest)
    for number in range(10, 20):
        (images / f"{number}.png").write_bytes(b"no photo")
    summary = score()
    assert summary.n_complete == n_complete
    assert len(summary.failures) == 4 - n_complete
    assert all("no photo can be read" in reason for reason in summary.failures.values())


@pytest.mark.parametrize("n_unreadable", [29, 57, 58])
def test_the_limit_of_unreadable_photos_may_be_reached(n_unreadable: int) -> None:
    failures = parts_module._Failures(n=n_unreadable)
    failures.check(100, max_unreadable=n_unreadable / 100)


def test_another_folder_with_the_same_names_is_refused(
    score: Callable[..., PartsSummary], images: Path, tmp_path: Path
) -> None:
    score()
    shutil.copytree(images, tmp_path / "copy")
    with pytest.raises(OutputError, match=r"photos\.path: then '.*images', now '.*copy'"):
        score(photos=tmp_path / "copy")


def test_leftovers_of_a_kill_at_the_first_moment_do_no_harm(
    score: Callable[..., PartsSummary], tmp_path: Path
) -> None:
    (tmp_path / "scores" / "_parts").mkdir(parents=True)
    (tmp_path / "scores" / ".manifest.json.123-abc.tmp").write_bytes(b"{")
    assert score().n_complete == 4


def test_processes_that_begin_at_once_agree_on_one_manifest(tmp_path: Path) -> None:
    made = [
        Manifest(bundle={}, photos={}, settings={"engine": f"engine {number}"}, versions={})
        for number in range(8)
    ]
    barrier = threading.Barrier(8)

    def begin(manifest: Manifest) -> bool:
        barrier.wait()
        try:
            keep_manifest(tmp_path, manifest)
        except OutputError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(begin, made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_full_disk_leaves_complete_parts_and_no_other(
    score: Callable[..., PartsSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(out=tmp_path / "whole")
    write, n_calls = CsvRows.write, [0]

    def write_until_full(self: CsvRows, predictions: Any) -> None:
        n_calls[0] += 1
        if n_calls[0] == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, predictions)

    monkeypatch.setattr(CsvRows, "write", write_until_full)
    with pytest.raises(OutputError, match=r"part-0000\d\.csv: cannot be written: No space left on device"):
        score()
    monkeypatch.undo()
    left = read_files(tmp_path / "scores")
    assert left.items() < read_files(tmp_path / "whole").items()
    assert score().n_new == 4 - len([name for name in left if name.startswith("part-")])
    assert read_files(tmp_path / "scores") == read_files(tmp_path / "whole")


def test_a_second_process_is_told_and_may_join(score: Callable[..., PartsSummary], tmp_path: Path) -> None:
    with hold_shard(tmp_path / "scores", Shard()):
        begun = rf"process {os.getpid()} on .*, which began on \d{{4}}-\d\d-\d\d at [\d:]+, is scoring this"
        with pytest.raises(OutputError, match=f"{begun} shard\\. Wait until it ends, or help: --shard 2/2"):
            score()
        assert score(shard="2/2").n_new == 2
    assert score().n_new == 2


def test_a_part_that_another_process_is_writing_is_left_to_it(
    score: Callable[..., PartsSummary], tmp_path: Path
) -> None:
    (tmp_path / "scores").mkdir()
    with new_file(tmp_path / "scores/part-00001.csv"):
        summary = score()
        assert (summary.n_complete, summary.n_elsewhere, summary.n_new) == (3, 1, 3)
    (tmp_path / "scores/part-00001.csv").unlink()
    assert score().n_new == 1


def test_a_folder_with_other_files_is_refused(score: Callable[..., PartsSummary], tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"contains other files, e\.g\. thesis\.txt; choose another folder"):
        score()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"part_format": ".xlsx"}, r"part_format: given '\.xlsx', expected one of \.parquet, \.csv, \.jsonl"),
        ({"part_size": 0}, "part_size: given 0, expected at least 1"),
        ({"max_unreadable": 1.5}, "max_unreadable: given 1.5, expected a fraction from 0 to 1"),
        ({"shard": "5/4"}, "shard: given '5/4'"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_made(
    score: Callable[..., PartsSummary], tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        score(**changes)
    assert not (tmp_path / "scores").exists()


def test_a_folder_that_is_no_bundle_is_told(score: Callable[..., PartsSummary], tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        score(bundle=tmp_path)
    assert not (tmp_path / "scores").exists()


def test_progress_is_told_part_by_part(score: Callable[..., PartsSummary]) -> None:
    told = list[tuple[str, int, int]]()
    score(on_progress=lambda progress: told.append((progress.stage, progress.done, progress.total)))
    assert [one for one in told if one[0] and one[1] == one[2]] == [
        ("part 00000", 10, 10), ("part 00001", 10, 10), ("part 00002", 10, 10), ("part 00003", 2, 2),
    ]  # fmt: skip


def test_progress_counts_only_the_missing_parts(score: Callable[..., PartsSummary]) -> None:
    told = list[Progress]()
    score(shard="1/2")
    score(on_progress=told.append)
    whole = [one for one in told if one.is_of_all]
    assert [(one.done, one.total) for one in whole] in ([(1, 2), (2, 2)], [(2, 2)])  # counted in a thread
    assert {one.subject for one in whole} == {"part"}


def test_a_stopped_run_tells_how_many_parts_are_complete(
    score: Callable[..., PartsSummary], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    score_part = PartScorer.score

    def stop(self: PartScorer, part: Part) -> Any:
        if part.number == 2:
            raise KeyboardInterrupt
        return score_part(self, part)

    monkeypatch.setattr(PartScorer, "score", stop)
    caplog.set_level("INFO")
    with pytest.raises(KeyboardInterrupt):
        score()
    assert caplog.messages[-1] == "2 parts in the folder complete; run the same command again to resume"
    monkeypatch.undo()
    caplog.clear()
    caplog.set_level("INFO")
    assert score().n_new == 2
    assert "2 parts in the folder already; complete ones are not scored again" in caplog.messages
    next(score().folder.glob("part-*")).unlink()
    caplog.clear()
    assert score().n_new == 1
    assert "3 parts in the folder already; complete ones are not scored again" in caplog.messages


def test_memory_holds_the_names_of_one_part(
    score: Callable[..., PartsSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, at_first_part = [0], list[int]()
    names, score_part = PhotoFolder.names, PartScorer.score

    def count(self: PhotoFolder) -> Iterator[str]:
        if current_thread() is not main_thread():  # it counts the parts for the progress
            yield from names(self)
            return
        listed[0] = 0
        for name in names(self):
            listed[0] += 1
            yield name

    def note(self: PartScorer, part: Part) -> Any:
        at_first_part.append(listed[0])
        return score_part(self, part)

    monkeypatch.setattr(PhotoFolder, "names", count)
    monkeypatch.setattr(PartScorer, "score", note)
    score()
    assert at_first_part == [10, 20, 30, 32]


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_killed_process_leaves_complete_parts_and_the_next_one_completes_them(
    score: Callable[..., PartsSummary], shapes_bundle: Path, images: Path, tmp_path: Path
) -> None:
    whole = score(out=tmp_path / "whole", part_size=1)
    command = [
        sys.executable, "-m", "manylabel", "predict", str(shapes_bundle), str(images), "--out",
        str(tmp_path / "scores"), "--part-size", "1", "--part-format", "csv", "--precision", "fp32",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len([*(tmp_path / "scores").glob("part-*.csv")]) >= 3)
        process.send_signal(signal.SIGKILL)
    left = read_files(tmp_path / "scores")
    again = score(part_size=1)
    assert 0 < again.n_new < whole.n_parts
    assert read_files(tmp_path / "scores") == read_files(tmp_path / "whole")
    complete = {f"part-{number:05d}" for number in range(whole.n_parts - again.n_new)}
    assert {Path(name).stem for name in left if name.startswith("_parts/part-")} == complete


def wait_for(is_done: Callable[[], bool], *, seconds: float = 120) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end
        time.sleep(0.002)
