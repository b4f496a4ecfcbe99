"""The program ``manylabel``: what it prints, writes and answers."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openpyxl
import pytest

from manylabel import __version__, apply, pipeline, preparation
from manylabel.cli.main import main
from manylabel.engines.openvino import has_native_bf16
from manylabel.engines.stream import Predictions, stream_files
from manylabel.errors import MissingExtraError
from manylabel.io.cache import feature_path
from manylabel.io.unfinished import FinishedWork
from manylabel.training.feature_store import FeatureWriter
from tests.writing import contents

QUICK = (
    *("--init", "random", "--epochs", "2", "--device", "cpu"),
    *("--set", "model.side_px=64", "--set", "training.n_views=2", "--set", "training.precision=fp32"),
)

ONE_NETWORK = ("--models", "squeezenet1_1", *QUICK)


class Answer(NamedTuple):
    """Hold what a command gave."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """Return the message on stderr with its lines joined; how it is wrapped does not matter."""
        return " ".join(self.stderr.split())


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs a command in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("COLUMNS", "100")

    def answer(*words: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["manylabel", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return answer


@pytest.fixture
def images(shapes_folder: Path) -> Path:
    """Return a folder of photos."""
    return shapes_folder / "images"


@pytest.fixture
def labels(shapes_folder: Path) -> Path:
    """Return the table of their labels."""
    return shapes_folder / "labels.csv"


def test_comparing_prints_one_table_and_writes_the_report(run: Run, images: Path, labels: Path) -> None:
    answer = run("compare", images, labels, *ONE_NETWORK, "--out", "runs/first")

    assert answer.code == 0
    lines = answer.stdout.splitlines()
    starts = [line.split()[0] for line in lines]
    assert [starts.index(name) for name in ("squeezenet1_1", "all-negative", "label-prior")]
    assert "Evaluated on 6 test photos." in lines
    assert lines[-1] == "Report: runs/first/report.html"
    assert answer.stdout.startswith("No model here is pre-trained: squeezenet1_1 started from random")
    assert Path("runs/first/report.html").is_file()
    assert Path("runs/first/models/squeezenet1_1/config.json").is_file()
    facts = json.loads(Path("runs/first/results.json").read_text(encoding="utf-8"))
    assert facts["run"]["command"].startswith("manylabel compare")
    assert facts["run"]["recipe"] == "standard"
    assert facts["models"][0]["tune"] == "top"


def test_a_trained_model_predicts_and_is_evaluated(run: Run, images: Path, labels: Path) -> None:
    trained = run("train", images, labels, "--model", "squeezenet1_1", *QUICK, "--out", "shapes")
    predicted = run("predict", "shapes", images, "--out", "said.csv", "--out", "deep/said.json")
    evaluated = run("evaluate", "shapes", images, labels, "--part", "all", "--out", "metrics.json")

    assert (trained.code, predicted.code, evaluated.code) == (0, 0, 0)
    assert trained.stdout.splitlines()[-1] == "Bundle: shapes"
    assert predicted.stdout.splitlines()[1].startswith("00.png")
    assert predicted.stdout.splitlines()[-2:] == ["Predictions: said.csv", "Predictions: deep/said.json"]
    with Path("said.csv").open(newline="", encoding="utf-8") as file:
        said = list(csv.DictReader(file))
    assert [line["image"] for line in said] == [f"{number:02}.png" for number in range(32)]
    photos = json.loads(Path("deep/said.json").read_text(encoding="utf-8"))["photos"]
    assert [";".join(photo["labels"]) for photo in photos] == [line["labels"] for line in said]
    assert "Evaluated on 32 photos (OpenVINO, " in evaluated.stdout
    assert json.loads(Path("metrics.json").read_text(encoding="utf-8"))["n_photos"] == 32


def test_options_reach_the_run(run: Run, images: Path, labels: Path) -> None:
    answer = run(
        *("train", images, labels, "--model", "squeezenet1_1", *QUICK, "--out", "shapes"),
        *("--folds", "2", "--seed", "7", "--head", "mlp", "--recipe", "study", "--tune", "head"),
        *("--set", "training.loss=bce"),
    )

    facts = json.loads(Path("shapes/results.json").read_text(encoding="utf-8"))
    assert answer.code == 0
    assert "Evaluated on 32 photos, each scored by a model that was not trained on it." in answer.stdout
    assert (facts["run"]["seed"], facts["run"]["recipe"]) == (7, "study")
    assert facts["models"][0]["head"] == "mlp"
    assert facts["models"][0]["pos_weight"] == [1.0, 1.0, 1.0]
    assert facts["models"][0]["threshold_origin"] == "0.5 for every label"


def test_photos_that_cannot_be_read_are_listed_and_the_rest_is_done(
    run: Run, images: Path, labels: Path, shapes_bundle: Path
) -> None:
    (images / "11.png").write_bytes(b"no photo")

    compared = run("train", images, labels, "--model", "squeezenet1_1", *QUICK)
    predicted = run("predict", shapes_bundle, images, "--out", "said.csv")
    evaluated = run("evaluate", shapes_bundle, images, labels, "--part", "all")

    for answer in (compared, predicted, evaluated):
        assert answer.code == 0
        assert "11.png: it is not a photo" in answer.said
    assert json.loads(Path("bundle/results.json").read_text(encoding="utf-8"))["data"]["n_photos"] == 31
    assert "Evaluated on 31 photos (OpenVINO, " in evaluated.stdout
    with Path("said.csv").open(newline="", encoding="utf-8") as file:
        said = list(csv.DictReader(file))
    assert [bool(line["error"]) for line in said] == [number == 11 for number in range(32)]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("gone", "LABELS"), "error: gone: no such folder"),
        (("IMAGES", "gone.csv"), "gone.csv"),
        (("IMAGES", "LABELS", "--models", "resnt50"), "unknown model 'resnt50'; did you mean 'resnet50'?"),
        (
            ("IMAGES", "LABELS", "--set", "training.epoch=3"),
            "unknown key 'training.epoch'; did you mean 'epochs'?",
        ),
        (("IMAGES", "LABELS", "--set", "training.epochs"), "expected KEY=VALUE"),
        (
            ("IMAGES", "LABELS", "--epochs", "0"),
            "training.epochs: given 0, expected a whole number, at least 1",
        ),
        (("IMAGES", "LABELS", "--recipe", "studdy"), "unknown recipe 'studdy'; did you mean 'study'?"),
        (("IMAGES", "LABELS", "--weights", "gone.pth"), "gone.pth"),
        (("IMAGES", "LABELS", "--format", "coco"), "labels.csv"),
        (("IMAGES", "LABELS", "--device", "tpu"), "tpu"),
        (("IMAGES", "LABELS", "--modells", "vgg16"), "--modells"),
        (("IMAGES", "LABELS", "--models", "squeezenet1_1", "--models", ""), "at least one name"),
    ],
)
def test_input_that_cannot_be_used_gives_one_message_and_changes_nothing(
    words: tuple[str, ...], problem: str, run: Run, images: Path, labels: Path
) -> None:
    Path("run").mkdir()
    Path("run/report.html").write_text("an older run", encoding="utf-8")
    places = {"IMAGES": str(images), "LABELS": str(labels)}

    answer = run("compare", *(places.get(word, word) for word in words), "--out", "run", "--overwrite")

    assert answer.code == 2
    assert problem in answer.said
    assert "Traceback" not in answer.stderr
    assert not answer.stdout
    assert contents(Path()) == {"run/report.html": b"an older run"}


def test_every_problem_of_a_table_is_told(run: Run, images: Path) -> None:
    Path("labels.csv").write_text("image,sea\ngone.png,1\n00.png,0\nlost.png,1\n", encoding="utf-8")

    answer = run("train", images, "labels.csv", *QUICK)

    assert answer.code == 2
    assert "labels.csv, line 2" in answer.said
    assert "labels.csv, line 4" in answer.said
    assert list(contents(Path())) == ["labels.csv"]


def test_a_taken_place_stays_as_it_is_unless_it_is_to_be_replaced(
    run: Run, images: Path, labels: Path
) -> None:
    Path("run/history").mkdir(parents=True)
    Path("run/history/older.csv").write_text("an older run", encoding="utf-8")
    command = ("train", images, labels, "--model", "squeezenet1_1", *QUICK, "--out", "run")

    refused = run(*command)
    assert refused.code == 2
    assert (
        "run: already exists; choose another folder, or replace it with --overwrite (in Python: "
        in refused.said
    )
    assert contents(Path()) == {"run/history/older.csv": b"an older run"}

    assert run(*command, "--overwrite").code == 0
    assert "run/config.json" in contents(Path())
    assert "run/history/older.csv" not in contents(Path())
    assert run(*command, "--overwrite").code == 0

    Path("run/mine.txt").write_text("mine", encoding="utf-8")
    refused = run(*command, "--overwrite")
    assert refused.code == 2
    assert "run: contains files that this command did not write: mine.txt;" in refused.said
    assert "run/mine.txt" in contents(Path())


def test_a_damaged_bundle_is_told(run: Run, images: Path, labels: Path, shapes_bundle: Path) -> None:
    damaged = Path(shutil.copytree(shapes_bundle, "damaged"))
    weights = damaged / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])

    for answer in (run("predict", damaged, images), run("evaluate", damaged, images, labels)):
        assert answer.code == 2
        assert "weights.safetensors: has changed since the bundle was written" in answer.said
        assert not answer.stdout


def test_photos_that_do_not_exist_are_told(run: Run, shapes_bundle: Path) -> None:
    answer = run("predict", shapes_bundle, "gone")

    assert answer.code == 2
    assert "gone: no such file or folder" in answer.said


def test_an_unknown_form_is_told_before_the_work(run: Run, shapes_bundle: Path) -> None:
    answer = run("predict", shapes_bundle, "gone", "--out", "said.txt")

    assert answer.code == 2
    assert "said.txt: unknown file extension" in answer.said
    assert "For a folder of parts, choose a name without a dot, or make the folder first" in answer.said


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("predict", "BUNDLE", "IMAGES"), "said.csv"),
        (("evaluate", "BUNDLE", "IMAGES", "LABELS", "--part", "all"), "metrics.json"),
        (("suggest", "BUNDLE", "NEW"), "next.csv"),
        (("check", "IMAGES", "LABELS"), "findings.json"),
        (("thresholds", "BUNDLE"), "careful.csv"),
    ],
)
def test_a_file_that_exists_is_only_replaced_on_request(
    words: tuple[str, ...], out: str, run: Run, images: Path, labels: Path, shapes_bundle: Path
) -> None:
    Path("new").mkdir()
    shutil.copy(images / "00.png", "new/new.png")
    given = {"BUNDLE": shapes_bundle, "IMAGES": images, "LABELS": labels, "NEW": Path("new")}
    command = [given.get(word, word) for word in words]
    Path(out).write_text("mine", encoding="utf-8")

    refused = run(*command, "--out", out)
    assert refused.code == 2
    assert (
        refused.said == f"error: {out}: already exists; choose another file, or replace it with --overwrite"
    )
    assert Path(out).read_text(encoding="utf-8") == "mine"

    assert run(*command, "--out", out, "--overwrite").code == 0
    assert Path(out).read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_an_input_is_never_replaced(
    command: str, run: Run, images: Path, labels: Path, shapes_bundle: Path
) -> None:
    table = Path("labels.csv") if command == "predict" else Path("labels.json")
    table.write_bytes(labels.read_bytes())
    inputs = [table] if command == "predict" else [images, table]

    answer = run(command, shapes_bundle, *inputs, "--out", table, "--overwrite")

    assert answer.code == 2
    assert f"{table}: is read by this command; choose another file" in answer.said
    assert table.read_bytes() == labels.read_bytes()


def test_a_file_of_the_model_is_never_replaced(run: Run, images: Path, shapes_bundle: Path) -> None:
    bundle = Path(shutil.copytree(shapes_bundle, "bundle"))
    before = contents(bundle)

    answer = run("predict", bundle, images, "--out", bundle / "out_of_fold.csv", "--overwrite")

    assert answer.code == 2
    assert "bundle/out_of_fold.csv: is in the folder of the model; choose another file" in answer.said
    assert contents(bundle) == before


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("gone", "LABELS"), "gone: no such folder"),
        (("IMAGES", "gone.csv"), "gone.csv: no such file or folder"),
        (("IMAGES", "LABELS", "--out", "taken"), "taken: already exists"),
    ],
)
def test_wrong_paths_are_reported_before_torch_is_loaded(
    command: str, words: tuple[str, ...], problem: str, run: Run, images: Path, labels: Path
) -> None:
    Path("taken").mkdir()
    Path("taken", "notes.txt").touch()
    given = {"IMAGES": images, "LABELS": labels}
    program = (
        "import sys; from manylabel.cli.main import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, command, *(str(given.get(word, word)) for word in words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (2, "False\n")
    assert answer.stderr.startswith(f"error: {problem}")


def test_thresholds_are_given_to_predict_and_evaluate(
    run: Run, images: Path, labels: Path, shapes_bundle: Path
) -> None:
    Path("mine.csv").write_text("label,threshold\ncircle,1\nsquare,1\ntriangle,1\n", encoding="utf-8")
    given = ("--thresholds", "mine.csv", "--threshold", "square=0")

    predicted = run("predict", shapes_bundle, images, "--out", "said.csv", *given)
    evaluated = run("evaluate", shapes_bundle, images, labels, "--out", "metrics.json", *given)

    assert (predicted.code, evaluated.code) == (0, 0)
    with Path("said.csv").open(newline="", encoding="utf-8") as file:
        assert {line["labels"] for line in csv.DictReader(file)} == {"square"}
    assert "thresholds were given: circle 1 (" in predicted.said
    assert "Note: thresholds were given: circle 1 (" in " ".join(evaluated.stdout.split())
    metrics = json.loads(Path("metrics.json").read_text(encoding="utf-8"))
    assert metrics["labels"]["square"]["recall"] == 1
    assert metrics["labels"]["circle"]["recall"] == 0


@pytest.mark.parametrize("command", ["predict", "evaluate", "serve"])
def test_thresholds_that_cannot_be_used_are_told(
    command: str, run: Run, images: Path, labels: Path, shapes_bundle: Path
) -> None:
    photos = {"predict": (images,), "evaluate": (images, labels), "serve": ()}[command]
    port = ("--port", "0") if command == "serve" else ()
    bad = ("--threshold", "circel=0.5", "--threshold", "square=2")

    wrong = run(command, shapes_bundle, *photos, *port, *bad)
    bare = run(command, shapes_bundle, *photos, *port, "--threshold", "circle")

    assert (wrong.code, bare.code) == (2, 2)
    assert "unknown label 'circel'; did you mean 'circle'? Known labels: circle, square" in wrong.said
    assert "threshold square=2: '2' is not a number from 0 to 1" in wrong.said
    assert "--threshold circle: expected LABEL=VALUE" in bare.said


def test_thresholds_are_shown_chosen_anew_and_kept(run: Run, shapes_bundle: Path) -> None:
    shutil.copytree(shapes_bundle, "bundle")

    shown = run("thresholds", "bundle", "--out", "old.csv")
    new = run("thresholds", "bundle", "--for", "recall=0.8", "--out", "new.csv", "--write")
    again = run("thresholds", "bundle")
    refused = run("thresholds", "bundle", "--write")

    assert (shown.code, new.code, again.code, refused.code) == (0, 0, 0, 2)
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:4]] == ["circle", "square", "triangle"]
    assert shown.stdout.splitlines()[-1] == "Thresholds: old.csv"
    assert "guaranteed for 3 of 3 labels" in new.stdout
    assert "photos they were not chosen on" in new.stdout
    assert new.stdout.splitlines()[-2:] == ["Written: bundle/thresholds.csv", "Thresholds: new.csv"]
    assert Path("bundle/thresholds.csv").read_bytes() == Path("new.csv").read_bytes()
    assert Path("old.csv").read_bytes() != Path("new.csv").read_bytes()
    assert "edited" not in again.stdout
    assert "80 % recall" in again.stdout
    assert "--write needs --for" in refused.said


def test_predictions_are_written_for_spreadsheets(run: Run, images: Path, shapes_bundle: Path) -> None:
    shutil.copy(images / "00.png", "=1+1.png")
    files = ("--out", "said.xlsx", "--out", "said.csv", "--excel")

    answer = run("predict", shapes_bundle, "=1+1.png", *files)

    assert answer.code == 0
    assert Path("said.csv").read_bytes().startswith(b"\xef\xbb\xbfimage,")
    assert b"\r\n'=1+1.png," in Path("said.csv").read_bytes()
    cell = openpyxl.load_workbook("said.xlsx").active["A2"]
    assert (cell.value, cell.data_type) == ("=1+1.png", "s")


def test_other_labels_are_told(run: Run, images: Path, shapes_bundle: Path) -> None:
    Path("labels.csv").write_text("image,sea\n00.png,1\n01.png,0\n", encoding="utf-8")

    answer = run("evaluate", shapes_bundle, images, "labels.csv")

    assert answer.code == 2
    assert "none of its labels (sea) is known to the model (circle, square, triangle)" in answer.said


@pytest.mark.parametrize("command", ["compare", "train"])
def test_a_stopped_run_leaves_nothing_behind(
    command: str, run: Run, images: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run_trial", stop)
    option = "--models" if command == "compare" else "--model"

    answer = run(command, images, labels, option, "squeezenet1_1", *QUICK, "--out", "runs/new")

    assert answer.code == 130
    assert answer.stderr.splitlines()[-1] == (
        "error: stopped; no half-written output is left, and earlier output is unchanged"
    )
    assert not list(Path().iterdir())


def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    run: Run, images: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "manylabel.pipeline", None)

    answer = run("compare", images, labels)

    assert answer.code == 2
    assert answer.said == f"error: {MissingExtraError('Training', 'train')}"


def test_models_are_listed(run: Run) -> None:
    answer = run("models", "squeezenet1_1", "--head", "linear", "--labels", "3")

    assert answer.code == 0
    assert answer.stdout.splitlines()[-1].split()[0] == "squeezenet1_1"
    assert "724,035" in answer.stdout


def test_head_and_number_of_labels_go_together(run: Run) -> None:
    answer = run("models", "--head", "study")

    assert answer.code == 2
    assert "--head and --labels go together" in answer.said


def test_an_empty_cache_is_shown(run: Run, feature_cache: Path) -> None:
    assert run("cache") == Answer(
        0, f"Folder: {feature_cache}\nLimit:  20.0 GB\nUsed:   0 B, 0 entries\n", ""
    )


def test_the_cache_is_shown_in_80_columns_and_cleared(
    run: Run, feature_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = feature_path(feature_cache, "a" * 64)
    metadata = {
        "model": "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
        "n_photos": "123456",
        "n_views": "16",
    }
    with FeatureWriter(
        path, shape=(1, 1), dtype="float32", metadata={**metadata, "what": "activations"}
    ) as writer:
        writer.append(np.ones(1))
        writer.finish(1.0)
    feature_path(feature_cache, "b" * 64).write_bytes(b"damaged")
    n_bytes = path.stat().st_size + path.with_suffix(".json").stat().st_size + 7

    shown = run("cache")
    lines = shown.stdout.splitlines()
    assert shown.code == 0
    assert lines[2] == f"Used:   {n_bytes} B, 2 entries"
    assert lines[3].split() == ["Model", "Photos", "Views", "What", "Size", "Last", "used"]
    assert max(map(len, lines[3:])) <= 80
    assert ["?", "?", "?", "?", "7", "B"] in [line.split()[:6] for line in lines]
    assert "123456" in shown.stdout
    assert "activations" in shown.stdout

    cleared = run("cache", "--clear")
    assert cleared == Answer(0, f"{feature_cache}: {n_bytes} B freed, 2 entries removed\n", "")
    assert not [*feature_cache.rglob("*.npy"), *feature_cache.rglob("*.json")]


def test_unfinished_runs_are_shown_and_cleared(run: Run, feature_cache: Path, tmp_path: Path) -> None:
    works = [FinishedWork(tmp_path / name, cache=feature_cache) for name in ("old", "new", "running")]
    folders = [work.open(is_fresh=False) for work in works]
    for folder in filter(None, folders):
        (folder / "1.fit").write_bytes(b"1")
    for work in works[:2]:
        work.__exit__(KeyboardInterrupt, None, None)
    assert folders[0] is not None
    os.utime(folders[0], (1e9, 1e9))

    shown = run("cache").stdout

    for name, state in (
        ("old", "interrupted more than a week ago"),
        ("new", "interrupted"),
        ("running", "running"),
    ):
        assert f"Unfinished run: {tmp_path / name} ({state}; 1 finished fit, " in shown
    assert "Repeat the command of an interrupted run to resume it; --clear removes all of them." in shown
    assert "2 entries removed" in run("cache", "--clear").stdout
    assert [folder is not None and folder.exists() for folder in folders] == [False, False, True]
    works[2].__exit__(None, None, None)


def test_a_wrong_limit_of_the_cache_is_told_before_any_work(
    run: Run, images: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE_GB", "none")
    for words in (("cache",), ("train", images, labels, *QUICK)):
        answer = run(*words)
        assert answer.code == 2
        assert answer.said == (
            "error: MANYLABEL_CACHE_GB: given 'none', expected a positive number of gigabytes, e.g. 20"
        )


def test_the_cache_is_shown_without_torch() -> None:
    program = (
        "import sys\n"
        "from manylabel.cli.main import app\n"
        "try:\n    app(['cache'])\n"
        "finally:\n    print({'torch', 'pandas', 'filelock'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("Folder: ")
    assert done.stderr.strip() == "set()"


def test_the_version_is_told(run: Run) -> None:
    assert run("--version") == Answer(0, f"manylabel {__version__}\n", "")


def test_every_setting_of_an_option_is_explained(run: Run) -> None:
    answer = run("compare", "--help")

    assert answer.code == 0
    assert "Table of labels: a file, or a folder of annotation files." in " ".join(answer.stdout.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", "Train one model"),
        ("predict", "auto: openvino on a CPU"),
        ("export", "one file for any engine"),
        ("serve", "Address to listen on"),
        ("explain", "Photos to explain, or folders"),
    ],
)
def test_help_loads_no_torch(command: str, words: str) -> None:
    program = (
        "import sys\n"
        "from manylabel.cli.main import app\n"
        "try:\n    app([sys.argv[1], '--help'])\n"
        "finally:\n"
        "    print({'torch', 'openvino', 'pandas', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, command], capture_output=True, text=True, check=True
    )

    assert words in " ".join(done.stdout.split())
    assert done.stderr.strip() == "set()"


def scores_in(name: str) -> list[dict[str, float]]:
    """Return the scores of a file of JSON Lines."""
    return [json.loads(line)["scores"] for line in Path(name).read_text(encoding="utf-8").splitlines()]


def test_the_numbers_to_compute_in_may_be_chosen(
    run: Run, images: Path, labels: Path, shapes_bundle: Path
) -> None:
    for name, engine in (("ours", "openvino"), ("theirs", "torch")):
        words = ("--engine", engine, "--precision", "fp32", "--out", f"{name}.jsonl")
        assert run("predict", shapes_bundle, images, *words).code == 0

    ours, theirs = scores_in("ours.jsonl"), scores_in("theirs.jsonl")
    assert all(row == pytest.approx(other, abs=1e-4) for row, other in zip(ours, theirs, strict=True))
    evaluated = run("evaluate", shapes_bundle, images, labels, "--precision", "fp32")
    assert "(OpenVINO, fp32)" in evaluated.stdout


def test_the_engine_may_be_chosen(run: Run, images: Path, labels: Path, shapes_bundle: Path) -> None:
    predicted = run("predict", shapes_bundle, images, "--engine", "torch", "--out", "torch.jsonl")
    run("predict", shapes_bundle, images, "--engine", "openvino", "--out", "openvino.jsonl")
    evaluated = run("evaluate", shapes_bundle, images, labels, "--engine", "int8")

    assert predicted.code == 0
    ours, theirs = scores_in("openvino.jsonl"), scores_in("torch.jsonl")
    # Where the processor computes in 16 bits, each engine rounds in its own way.
    atol = 0.05 if has_native_bf16() else 1e-4
    assert all(row == pytest.approx(other, abs=atol) for row, other in zip(ours, theirs, strict=True))
    assert evaluated.code == 2
    assert "has no 8-bit version yet; make one: manylabel export" in evaluated.said


def test_a_stopped_prediction_leaves_no_file(
    run: Run, images: Path, shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_at_the_second_part(*args: Any, **options: Any) -> Iterator[Predictions]:
        yield next(stream_files(*args, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(apply, "stream_files", stop_at_the_second_part)
    answer = run("predict", shapes_bundle, images, "--out", "deep/said.json", "--out", "said.csv")

    assert answer.code == 130
    assert not answer.stdout
    assert not list(Path().iterdir())


def test_an_8_bit_version_is_made_compared_and_used(
    run: Run, images: Path, labels: Path, shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    bundle = Path(shutil.copytree(shapes_bundle, "bundle"))
    # 8 bits turn many decisions of a model of random weights.
    for name in ("MAX_CHANGED", "MAX_CHANGED_HIGH"):
        monkeypatch.setattr(f"manylabel.exporters.comparison.{name}", 1.0)

    made = run("export", bundle, "--to", "int8", "--photos", images, "--labels", labels)
    used = run("predict", bundle, images, "--engine", "int8")

    assert (made.code, used.code) == (0, 0)
    lines = made.stdout.splitlines()
    assert {line.split()[0] for line in lines} >= {"Engine", "fp32", "int8"}
    assert max(map(len, lines)) <= 80
    assert "Evaluated on 16 photos: photos that did not calibrate but may have trained." in lines
    assert "the 8-bit version takes its ranges from 16 photos and is compared on 32" in made.said
    assert "mAP is measured on 16 photos and shown; it decides from 40 photos on" in made.said
    assert lines[-2:] == ["Calibrated on 16 photos; about 100 are a good start.", "Written: bundle/int8"]
    assert used.stdout.splitlines()[1].startswith("00.png")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "nothing to do: give --to onnx, openvino, int8, or --push USER/NAME"),
        (("--to", "int8"), "8-bit integers need --photos DIR"),
        (("--to", "int8", "--photos", "gone"), "gone"),
        (("--to", "onnx", "--photos", "gone"), "gone"),
    ],
)
def test_an_export_says_what_it_lacks(
    words: tuple[str, ...], problem: str, run: Run, shapes_bundle: Path
) -> None:
    answer = run("export", shapes_bundle, *words)

    assert answer.code == 2
    assert problem in answer.said


def test_photos_worth_labeling_are_listed_and_written(run: Run, images: Path, shapes_bundle: Path) -> None:
    Path("some.csv").write_text("image,circle\n00.png,1\n01.png,0\n", encoding="utf-8")

    answer = run("suggest", shapes_bundle, images, "--labels", "some.csv", "--n", "4", "--out", "next.csv")

    assert answer.code == 0
    lines = answer.stdout.splitlines()
    with Path("next.csv").open(newline="", encoding="utf-8") as file:
        written = [row["image"] for row in csv.DictReader(file)]
    assert [line.split()[0] for line in lines[1:5]] == written
    assert lines[5:] == [
        "Chosen from 30 unlabeled photos, the most useful first.",
        "Note: 2 photos are labeled by some.csv and left out",
        "Suggestions: next.csv",
    ]
    assert run("suggest", shapes_bundle, images, "--out", "next.txt").code == 2


def test_a_check_lists_what_breaks_constraints(run: Run, images: Path, labels: Path) -> None:
    constraint = ("--set", "constraints.exclusive=circle | square")
    answer = run("check", images, labels, *constraint, "--out", "found.json")

    assert answer.code == 0
    assert "constraint 'circle | square': broken by the labels of 8 photos: '06.png'" in answer.stdout
    found = json.loads(Path("found.json").read_text(encoding="utf-8"))
    (broken,) = [finding for finding in found["findings"] if finding["kind"] == "constraint_broken"]
    assert len(broken["photos"]) == 8
    assert broken["labels"] == ["circle", "square"]


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        (
            "constraints.implies=circle -> squar",
            "constraints.implies 'circle -> squar': unknown label 'squar'; did you mean",
        ),
        ("constraints.implies=circle", "constraints.implies 'circle': expected two labels joined by '->'"),
        ("training.epochs=3", "--set training.epochs=3: check only uses constraints"),
    ],
)
def test_rules_that_cannot_be_used_are_told(
    setting: str, problem: str, run: Run, images: Path, labels: Path
) -> None:
    answer = run("check", images, labels, "--set", setting)

    assert answer.code == 2
    assert problem in answer.said


def test_a_contradiction_is_told_before_photos_are_read(
    run: Run, images: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "read_all_photos", lambda *_, **__: pytest.fail("photos were read"))

    answer = run(
        *("train", images, labels, "--model", "squeezenet1_1", *QUICK, "--out", "shapes"),
        *("--set", "constraints.implies=circle -> square", "--set", "constraints.exclusive=circle | square"),
    )

    assert answer.code == 2
    assert "rule out 'circle': no photo could have it" in answer.said
    assert not Path("shapes").exists()


def test_all_decisions_of_a_run_and_of_its_bundle_obey_the_constraints(
    run: Run, images: Path, labels: Path
) -> None:
    constraints = ("exclusive=circle | square | triangle", "at_least_one=circle | square | triangle")
    command = ("compare", images, labels, *ONE_NETWORK, "--tune", "head")
    constrained = run(
        *command,
        "--out",
        "constrained",
        *(word for constraint in constraints for word in ("--set", f"constraints.{constraint}")),
    )
    free = run(*command, "--out", "free")
    predicted = run("predict", "constrained/models/squeezenet1_1", images, "--out", "said.csv")

    assert (constrained.code, free.code, predicted.code) == (0, 0, 0)
    assert "warning: constraint 'circle | square | triangle'" in constrained.said
    own, without = (read_csv(Path(name, "predictions/squeezenet1_1.csv")) for name in ("constrained", "free"))
    assert {row["part"] for row in own} == {"test", "out-of-fold"}
    for decided in ([row["predicted"] for row in own], [row["labels"] for row in read_csv(Path("said.csv"))]):
        assert set(decided) <= {"circle", "square", "triangle"}
    assert not {row["predicted"] for row in without} <= {"circle", "square", "triangle"}
    assert [row["circle"] for row in own] == [row["circle"] for row in without]


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_predictions_go_into_a_folder_in_parts(run: Run, images: Path, shapes_bundle: Path) -> None:
    command = [
        "predict",
        shapes_bundle,
        images,
        "--out",
        "scores",
        "--part-size",
        "20",
        "--part-format",
        ".jsonl",
    ]
    answer = run(*command, "--shard", "1/2")
    assert answer.code == 0
    assert "Written by this run: 1 part" in answer.stdout
    assert "Complete: 1 of 2 parts in scores, with 20 photos" in answer.stdout
    again = run(*command)
    assert "Written by this run: 1 part" in again.stdout
    assert "Complete: 2 of 2 parts in scores, with 32 photos" in again.stdout
    (images / "31.png").write_bytes(b"no photo")
    third = run(
        *command[:4], "other", "--part-size", "2", "--part-format", "jsonl", "--max-unreadable", "0.4"
    )
    assert third.code == 2
    assert "Complete: 15 of 16 parts in other" in third.stdout
    assert "error: other: 1 of 16 parts not written" in third.said


def test_a_list_of_photos_is_predicted(run: Run, images: Path, shapes_bundle: Path) -> None:
    (images / "list.csv").write_text("number,photo\n1,03.png\n2,01.png\n", encoding="utf-8")
    answer = run("predict", shapes_bundle, images / "list.csv", "--out", "scores.csv")
    assert answer.code == 0
    rows = Path("scores.csv").read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["image", "03.png", "01.png"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--shard", "1/2"], "--shard: only with --out FOLDER"),
        (["--out", "a", "--out", "b.csv"], "--out a: is a folder; give no other --out with it"),
        (["--out", "a", "--ray-address", "auto"], "--ray-address needs --on ray"),
        (["--out", "a", "--excel"], "--out a: is a folder; --excel does not work with it"),
        (["more.jpg", "--out", "a"], "--out a: takes exactly one PHOTO: a folder or a list"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    run: Run, images: Path, shapes_bundle: Path, options: list[str], problem: str
) -> None:
    answer = run("predict", shapes_bundle, images, *options)
    assert answer.code == 2
    assert f"error: {problem}" in answer.said
