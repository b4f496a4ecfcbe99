"""The whole flow: photos and labels in, compared models out."""

import csv
import errno
import logging
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from manylabel import pipeline, preparation, run_folder
from manylabel.apply import predict
from manylabel.bundle.folder import read_bundle
from manylabel.config import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    RunConfig,
    SplitConfig,
    TrainingConfig,
)
from manylabel.errors import ConfigError, InputError, OutputError, TableError
from manylabel.io.files import write_atomically
from manylabel.pipeline import compare, train
from manylabel.preparation import read_all_photos, read_labels
from manylabel.recipes import load_recipe
from manylabel.report.trial_files import file_name
from manylabel.results import RunResults
from manylabel.training.methods import Fit, FitRows, LinearProbe
from manylabel.training.photo_store import read_store
from manylabel.training.trial import run_trial
from manylabel.trials import Trial
from manylabel.types import LabelTable, Progress
from tests.writing import contents, untimed_contents

Files = dict[str, bytes]


@pytest.fixture
def config(shapes_folder: Path, tmp_path: Path) -> RunConfig:
    """Return settings of a run that takes a second or two."""
    return RunConfig(
        out=str(tmp_path / "runs" / "run"),
        data=DataConfig(photos=str(shapes_folder / "images"), labels=str(shapes_folder / "labels.csv")),
        model=ModelConfig(names=("squeezenet1_1",), init="random", side_px=64),
        training=TrainingConfig(epochs=2, n_views=2, precision="fp32", device="cpu", engine="torch"),
    )


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out, which takes longer than all the rest."""
    monkeypatch.setattr(pipeline, "write_report", lambda results, table, **_: None)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read the lines of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_comparison_writes_the_whole_run_directory(config: RunConfig) -> None:
    names = ("squeezenet1_1", "timm/test_resnet.r160_in1k")
    config = replace(config, model=replace(config.model, names=names))
    heard: list[Progress] = []

    command = ["manylabel", "compare", "images"]
    result = compare(config, command=command, recipe="quick", on_progress=heard.append)

    files = {name.partition(".")[0] if name.startswith("plots/") else name for name in contents(result.out)}
    for model in ("squeezenet1_1", "timm--test_resnet.r160_in1k"):
        files -= {f"predictions/{model}.csv", f"history/{model}.csv"}
        bundle = (
            "config.json",
            "weights.safetensors",
            "thresholds.csv",
            "out_of_fold.csv",
            "results.json",
            "README.md",
        )
        files -= {f"models/{model}/{name}" for name in bundle}
    assert {name for name in files if not name.startswith("plots/")} == {
        "config.toml",
        "split.csv",
        "results.json",
        "label_issues.csv",
        "report.html",
        "table.md",
        "table.csv",
    }
    assert any(name.startswith("plots/") for name in files)
    assert '<figure class="heat">' in (result.out / "report.html").read_text(encoding="utf-8")
    rows = read_csv(result.out / "table.csv")
    assert [row["model"] for row in rows] == [*names, "all-negative", "label-prior", "nearest-neighbors"]
    assert [row["init"] for row in rows][:2] == ["random", "random"]
    assert RunResults.from_json((result.out / "results.json").read_bytes()) == result.results
    assert result.results.run.recipe == "quick"
    assert [path.name for path in result.out.parent.iterdir()] == ["run"]
    of_all = [(progress.done, progress.total) for progress in heard if progress.is_of_all]
    assert of_all == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.usefixtures("no_report")
def test_a_comparison_keeps_all_that_it_needs_to_be_repeated(config: RunConfig) -> None:
    first = compare(config)
    settings = load_recipe(str(first.out / "config.toml"))
    again = compare(replace(settings, out=f"{config.out}-again"))

    assert (first.out / "split.csv").read_bytes() == (again.out / "split.csv").read_bytes()
    scores = "predictions/squeezenet1_1.csv"
    assert (first.out / scores).read_bytes() == (again.out / scores).read_bytes()
    weights = "models/squeezenet1_1/weights.safetensors"
    assert (first.out / weights).read_bytes() == (again.out / weights).read_bytes()
    given = tomllib.loads((first.out / "config.toml").read_text(encoding="utf-8"))
    assert given["training"]["learning_rate"] > 0


@pytest.mark.usefixtures("no_report")
def test_a_bundle_scores_test_photos_as_the_run_did(config: RunConfig, shapes_folder: Path) -> None:
    config = replace(config, evaluation=EvaluationConfig(tta=2))
    result = compare(config)

    told = [
        row for row in read_csv(result.out / "predictions" / "squeezenet1_1.csv") if row["part"] == "test"
    ]
    predictions = predict(
        result.out / "models" / "squeezenet1_1",
        [shapes_folder / "images" / row["image"] for row in told],
        precision="fp32",
        device="cpu",
    )

    assert len(told) == 6
    for row, line in enumerate(told):
        expected = [float(line[label]) for label in ("circle", "square", "triangle")]
        np.testing.assert_allclose(predictions.scores.values[row], expected, atol=1e-5)
        assert set(predictions.labels_of(row)) == set(filter(None, line["predicted"].split(";")))


@pytest.mark.usefixtures("no_report")
def test_folds_give_every_photo_a_score_by_a_network_that_did_not_see_it(config: RunConfig) -> None:
    result = compare(replace(config, split=SplitConfig(folds=2)))

    rows = read_csv(result.out / "predictions" / "squeezenet1_1.csv")
    assert len(rows) == 32
    assert {row["part"] for row in rows} == {"out-of-fold"}
    history = read_csv(result.out / "history" / "squeezenet1_1.csv")
    assert [row["fold"] for row in history] == ["1", "1", "2", "2", "", ""]
    assert (result.results.evaluated.part, result.results.evaluated.n_photos) == ("out_of_fold", 32)


def test_training_writes_one_bundle(config: RunConfig) -> None:
    heard: list[Progress] = []
    result = train(config, on_progress=heard.append)

    bundle = read_bundle(result.out)
    assert bundle.config.backbone == "squeezenet1_1"
    assert bundle.config.labels == ("circle", "square", "triangle")
    assert bundle.config.preprocessing.side_px == 64
    assert bundle.facts["models"][0]["metrics"] == result.results.models[0].metrics
    assert (result.out / "README.md").read_text(encoding="utf-8").count("squeezenet1_1") >= 2
    assert {progress.subject for progress in heard} == {"photos", "squeezenet1_1"}


def test_training_takes_one_network(config: RunConfig) -> None:
    config = replace(config, model=replace(config.model, names=("squeezenet1_1", "resnet18")))

    with pytest.raises(ConfigError, match="train takes one model, not 2; see compare"):
        train(config)

    assert not Path(config.out).exists()


def test_the_whole_network_can_learn_with_early_stopping(config: RunConfig) -> None:
    config = replace(
        config,
        training=replace(config.training, tune="full", epochs=3, patience=1, learning_rate=0.5),
        augmentation=AugmentationConfig(crop_scale=1.0),
    )

    results = train(config).results

    assert results.data.part_sizes["val"] > 0
    assert "validation photos" in results.models[0].threshold_origin
    assert results.models[0].tune == "full"


def test_photos_that_cannot_be_read_are_told_and_left_out(
    config: RunConfig, shapes_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (shapes_folder / "images" / "04.png").write_bytes(b"no photo")
    with caplog.at_level(logging.WARNING):
        results = train(config).results

    assert results.data.n_photos == 31
    assert any("left out, it cannot be read" in note and "04.png" in note for note in results.data.notes)
    assert "04.png" in caplog.text


def test_photos_none_of_which_can_be_read_are_told(config: RunConfig, shapes_folder: Path) -> None:
    for photo in (shapes_folder / "images").iterdir():
        photo.write_bytes(b"no photo")

    with pytest.raises(TableError, match="no photo can be read; the first problems:"):
        train(config)


def test_given_test_photos_none_of_which_can_be_read_stop_the_run(
    config: RunConfig, shapes_folder: Path, tmp_path: Path
) -> None:
    names = sorted(photo.name for photo in (shapes_folder / "images").iterdir())
    for name in names[:2]:
        (shapes_folder / "images" / name).write_bytes(b"")
    lines = [
        f"{name},{'red' if number % 2 else 'blue'},{'test' if number < 2 else 'train'}"
        for number, name in enumerate(names)
    ]
    labels = tmp_path / "given.csv"
    labels.write_text("\n".join(["image,labels,split", *lines]))
    given = replace(config, data=replace(config.data, labels=str(labels)))

    with pytest.raises(
        TableError, match=r"all 2 photos of the given part 'test' cannot be read: 00\.png: the file"
    ):
        train(given)
    assert not Path(config.out).exists()


def test_photos_of_all_sides_have_the_same_rows(shapes_table: LabelTable) -> None:
    def lose_a_photo(progress: Progress) -> None:
        # After the last photo was read for the first side.
        if progress.done == progress.total:
            shapes_table.photos[5].unlink(missing_ok=True)

    table, stores, _ = read_all_photos(shapes_table, sides_px=[30, 40], on_progress=lose_a_photo)

    assert table.n_photos == len(stores[30]) == len(stores[40]) == 31
    assert stores[30].hashes == stores[40].hashes
    assert sum("05.png" in note for note in table.notes) == 1


def lose_the_folder(config: RunConfig) -> RunConfig:
    """Name a folder of photos that does not exist."""
    return replace(config, data=replace(config.data, photos="gone"))


def lose_the_labels(config: RunConfig) -> RunConfig:
    """Name a table of labels that does not exist."""
    return replace(config, data=replace(config.data, labels="gone.csv"))


def name_no_folder(config: RunConfig) -> RunConfig:
    """Name no folder of photos."""
    return replace(config, data=DataConfig())


def name_another_network(config: RunConfig) -> RunConfig:
    """Name a model that does not exist."""
    return replace(config, model=replace(config.model, names=("squeezenet",)))


def set_no_epochs(config: RunConfig) -> RunConfig:
    """Give a value outside its range."""
    return replace(config, training=replace(config.training, epochs=0))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lose_the_folder, "gone: no such folder"),
        (lose_the_labels, "gone.csv"),
        (name_no_folder, "data.photos: give the folder of the photos"),
        (name_another_network, "unknown model 'squeezenet'"),
        (set_no_epochs, "training.epochs: given 0, expected a whole number, at least 1"),
    ],
)
@pytest.mark.parametrize("run", [compare, train])
def test_input_that_cannot_be_used_leaves_what_was_there(
    run: Callable[[RunConfig], Any],
    spoil: Callable[[RunConfig], RunConfig],
    problem: str,
    config: RunConfig,
) -> None:
    out = Path(config.out)
    out.mkdir(parents=True)
    (out / "report.html").write_text("an older run", encoding="utf-8")

    with pytest.raises(InputError, match=problem):
        run(replace(spoil(config), overwrite=True))

    assert contents(out.parent) == {"run/report.html": b"an older run"}


def test_a_taken_place_is_told_before_anything_is_read(config: RunConfig) -> None:
    out = Path(config.out)
    out.mkdir(parents=True)
    (out / "report.html").write_text("an older run", encoding="utf-8")

    with pytest.raises(OutputError, match=r"run: already exists; .* with --overwrite "):
        compare(lose_the_folder(config))

    assert contents(out.parent) == {"run/report.html": b"an older run"}


@pytest.mark.usefixtures("no_report")
def test_overwriting_replaces_all_of_an_older_run(config: RunConfig) -> None:
    out = Path(config.out)
    write_atomically(out / "history" / "older.csv", b"an older run")
    for exported in ("model.onnx", "openvino/model.xml", "int8/facts.json"):
        write_atomically(out / "models" / "squeezenet1_1" / exported, b"an older run")

    compare(replace(config, overwrite=True))

    assert not (out / "history" / "older.csv").exists()
    assert (out / "split.csv").exists()


@pytest.mark.usefixtures("no_report")
def test_a_cut_that_leaves_much_to_learn_is_told(config: RunConfig, caplog: pytest.LogCaptureFixture) -> None:
    training = replace(config.training, tune="top", split_layer="features.3", epochs=1)
    with caplog.at_level(logging.WARNING):
        compare(replace(config, training=training))

    assert "by default about 25%" in caplog.text


def test_a_folder_with_files_of_others_is_refused_before_anything_is_read(config: RunConfig) -> None:
    out = Path(config.out)
    write_atomically(out / "report.html", b"an older run")
    write_atomically(out / "beach.jpg", b"the only copy")

    with pytest.raises(
        OutputError, match=r"run: contains files that this command did not write: beach\.jpg;"
    ):
        compare(lose_the_folder(replace(config, overwrite=True)))

    assert contents(out.parent) == {"run/report.html": b"an older run", "run/beach.jpg": b"the only copy"}


def test_a_run_that_is_stopped_between_two_networks_leaves_nothing(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = replace(config, model=replace(config.model, names=("squeezenet1_1", "squeezenet1_0")))

    def stop_at_the_second(start: Any, *rest: Any) -> Any:
        if start.backbone.name == "squeezenet1_0":
            raise KeyboardInterrupt
        return run_trial(start, *rest)

    monkeypatch.setattr(pipeline, "run_trial", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        compare(config)

    assert not (tmp_path / "runs").exists()


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """Return a list of the model and the fold of every fit that is going to be trained."""
    heard, fit = list[tuple[str, int | None]](), LinearProbe.fit

    def listen(method: LinearProbe, rows: FitRows) -> Fit:
        heard.append((method.task.initial.backbone.name, rows.fold))
        return fit(method, rows)

    monkeypatch.setattr(LinearProbe, "fit", listen)
    return heard


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("is_fresh", [False, True])
def test_an_interrupted_comparison_is_resumed(
    is_fresh: bool,
    config: RunConfig,
    fitted: list[tuple[str, int | None]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    names = ("squeezenet1_1", "squeezenet1_0")
    config = replace(
        config,
        model=replace(config.model, names=names),
        split=SplitConfig(folds=2),
        training=replace(config.training, tune="head"),
    )
    expected = compare(replace(config, out=str(tmp_path / "expected"))).out
    all_fits = [(name, fold) for name in names for fold in (0, 1, None)]
    assert fitted == all_fits
    with monkeypatch.context() as patch:
        fit = LinearProbe.fit

        def stop_at_the_fifth(method: LinearProbe, rows: FitRows) -> Fit:
            if len(fitted) == 6 + 4:
                raise KeyboardInterrupt
            return fit(method, rows)

        patch.setattr(LinearProbe, "fit", stop_at_the_fifth)
        with pytest.raises(KeyboardInterrupt):
            compare(config)
    fitted.clear()

    found = compare(replace(config, fresh=is_fresh)).out

    assert fitted == (all_fits if is_fresh else all_fits[4:])
    ours, theirs = untimed_contents(found), untimed_contents(expected)
    assert len(ours) > 10
    assert ours == theirs
    assert "fresh = false" in (found / "config.toml").read_text(encoding="utf-8")
    fitted.clear()
    compare(replace(config, overwrite=True))
    assert fitted == all_fits  # nothing is kept of a run that is complete


@pytest.mark.usefixtures("no_report")
def test_a_run_into_a_temporary_folder_keeps_no_fits(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, feature_cache: Path
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "write_trial", stop)
    for is_temporary in (True, False):
        with pytest.raises(KeyboardInterrupt):
            compare(config, is_temporary=is_temporary)
        assert (feature_cache / "unfinished").exists() == (not is_temporary)


@pytest.mark.usefixtures("no_report")
def test_what_is_finished_is_kept_where_the_disk_gets_full(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(config, model=replace(config.model, names=("squeezenet1_1", "squeezenet1_0")))
    out = Path(config.out)

    def fill_the_disk(folder: Path, trial: Trial, table: LabelTable) -> None:
        if trial.model == "squeezenet1_0":
            (folder / "models" / trial.model / "results.json").unlink()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pipeline, "write_trial", fill_the_disk)
    with pytest.raises(OutputError, match=r"run: cannot be written: No space left on device"):
        compare(config)

    kept = out.parent / "run-unfinished"
    assert [path.name for path in out.parent.iterdir()] == [kept.name]
    assert [path.name for path in (kept / "models").iterdir()] == ["squeezenet1_1"]
    assert (kept / "split.csv").is_file()
    bundle = kept / "models" / "squeezenet1_1"
    assert len(predict(bundle, config.data.photos).scores.values) == 32
    assert f"the run failed; what was finished is kept in {kept}: squeezenet1_1" in caplog.text


def write_and(then: Callable[[], None]) -> Callable[..., None]:
    """Return a function that writes a model as ever, and does something else right afterwards."""

    def write(*given: Any, **options: Any) -> None:
        run_folder.write_model_bundle(*given, **options)
        then()

    return write


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("error", [ValueError, KeyError, MemoryError])
def test_a_trained_network_is_kept_whatever_fails(
    error: type[Exception], config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "write_model_bundle", write_and(fail))
    with pytest.raises(error):
        train(config)

    kept = Path(config.out).with_name("run-unfinished")
    assert len(predict(kept, config.data.photos).scores.values) == 32


def test_a_failure_while_networks_are_kept_hides_no_error(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("the first error")

    def deny(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(pipeline, "write_model_bundle", write_and(fail))
    monkeypatch.setattr(run_folder, "keep_unfinished", deny)
    with pytest.raises(ValueError, match="the first error"):
        train(config)
    assert "the models that were finished cannot be kept: no" in caplog.text


def test_a_disk_without_room_for_the_networks_is_told_before_they_learn(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    monkeypatch.setattr(pipeline, "run_trial", lambda *_: pytest.fail("learned"))

    for run in (compare, train):
        with pytest.raises(OutputError, match=r"not enough room on the disk: 2\.9 MB needed, 2\.0 MB free"):
            run(config)


def test_photos_may_have_any_size_and_mode(config: RunConfig, shapes_folder: Path) -> None:
    images = shapes_folder / "images"
    Image.new("L", (3, 500)).save(images / "00.png")
    Image.new("RGBA", (900, 20)).save(images / "01.png")
    Image.new("1", (1, 1)).save(images / "02.png")

    assert train(config).results.data.n_photos == 32


def test_names_of_networks_become_file_names() -> None:
    assert file_name("timm/vit_tiny_patch16_224.augreg") == "timm--vit_tiny_patch16_224.augreg"


@pytest.mark.usefixtures("no_report")
def test_networks_of_the_same_side_share_the_photos(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides_px: list[int] = []

    def count(paths: Any, *, side_px: int, on_progress: Any) -> Any:
        sides_px.append(side_px)
        return read_store(paths, side_px=side_px, on_progress=on_progress)

    monkeypatch.setattr(preparation, "read_store", count)
    names = ("squeezenet1_1", "squeezenet1_0")
    compare(replace(config, model=replace(config.model, names=names)))

    assert sides_px == [64]


def test_the_order_of_lines_changes_nothing(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in (3, 1, 10, 2)]
    for name in names:
        (tmp_path / name).touch()
    tables = []
    for number, lines in enumerate((names, names[::-1])):
        path = tmp_path / f"labels{number}.csv"
        rows = [f"{name},{'sea' if name < '2' else 'boat'}" for name in lines]
        path.write_text("\n".join(["image,labels", *rows]), encoding="utf-8")
        tables.append(read_labels(RunConfig(data=DataConfig(photos=str(tmp_path), labels=str(path)))))
    first, second = tables
    assert first.names == second.names == ("1.jpg", "10.jpg", "2.jpg", "3.jpg")
    np.testing.assert_array_equal(first.targets, second.targets)
