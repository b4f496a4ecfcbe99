"""A model as a function from batch to batch."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from manylabel import Model
from manylabel.cluster import Scorer
from manylabel.cluster import scorer as scorer_module
from manylabel.engines.registry import open_predictor
from manylabel.errors import BundleError, InputError, TableError

LABELS = ["circle", "square", "triangle"]


@pytest.fixture
def paths(shapes_folder: Path) -> list[str]:
    """Return the files of five photos, the third of which cannot be read."""
    found = sorted(map(str, (shapes_folder / "images").glob("*.png")))[:5]
    Path(found[2]).write_bytes(b"no photo")
    return found


def test_files_are_scored_as_by_the_model(shapes_bundle: Path, paths: list[str]) -> None:
    scored = Scorer(shapes_bundle)({"path": np.array(paths), "shelf": np.arange(5)})

    assert list(scored) == ["path", "shelf", "labels", "error", *LABELS]
    assert {len(column) for column in scored.values()} == {5}
    predictions = Model.load(shapes_bundle).predict(paths)
    assert predictions.rows.tolist() == [0, 1, 3, 4]
    values = np.stack([scored[label] for label in LABELS], axis=1)
    np.testing.assert_array_equal(values[predictions.rows], predictions.scores.values)
    assert np.isnan(values[2]).all()
    given = [";".join(predictions.labels_of(row)) for row in range(4)]
    assert scored["labels"].tolist() == [*given[:2], "", *given[2:]]
    assert scored["error"].tolist() == ["", "", predictions.failures[0].reason, "", ""]


def test_pixels_are_scored_as_files(shapes_bundle: Path, paths: list[str]) -> None:
    read = [path for path in paths if path != paths[2]]
    pixels = np.empty(4, dtype=object)  # of different sizes
    pixels[:] = [np.asarray(Image.open(path).convert("RGB")) for path in read]
    scorer = Scorer(shapes_bundle)

    from_pixels = scorer({"image": pixels, "path": np.array(read)})

    from_files = scorer({"path": np.array(read)})
    assert "image" not in from_pixels
    for label in LABELS:
        np.testing.assert_allclose(from_pixels[label], from_files[label], atol=1e-6)


@pytest.mark.parametrize("batch", [{"path": np.array([], dtype=str)}, {"image": np.empty((0, 8, 8, 3))}])
def test_an_empty_batch_has_the_columns(batch: dict[str, Any], shapes_bundle: Path) -> None:
    scored = Scorer(shapes_bundle)(batch)

    assert [name for name in scored if name != "path"] == ["labels", "error", *LABELS]
    assert scored["circle"].shape == (0,)


def test_other_columns_may_be_called_like_labels(shapes_bundle: Path, paths: list[str]) -> None:
    scored = Scorer(shapes_bundle, path_column="circle")({"circle": np.array(paths)})

    assert scored["circle"].tolist() == paths
    assert scored["circle (score)"].dtype == np.float64


def test_a_used_scorer_travels_without_its_model(shapes_bundle: Path, paths: list[str]) -> None:
    scorer = Scorer(shapes_bundle, thresholds={"circle": 0.0})
    before = scorer({"path": np.array(paths)})

    travelled = pickle.dumps(scorer)

    assert len(travelled) < 1000
    after = pickle.loads(travelled)({"path": np.array(paths)})
    for name, column in before.items():
        np.testing.assert_array_equal(column, after[name])
    assert all(
        "circle" in names for names, error in zip(after["labels"], after["error"], strict=True) if not error
    )


def test_unusable_batches_and_models_are_refused(shapes_bundle: Path) -> None:
    with pytest.raises(
        InputError, match=r"no column 'path' \(paths\) or 'image' \(pixels\); its columns: file"
    ):
        Scorer(shapes_bundle)({"file": np.array(["a.jpg"])})
    with pytest.raises(TableError, match=r"image\[0\]"):
        Scorer(shapes_bundle)({"image": np.array([1.5])})
    with pytest.raises(InputError, match="has the column 'labels', which the result needs"):
        Scorer(shapes_bundle)({"path": np.array([], dtype=str), "labels": np.array([], dtype=str)})
    with pytest.raises(BundleError):
        Scorer(shapes_bundle / "elsewhere")({"path": np.array(["a.jpg"])})


@pytest.mark.parametrize("batch", ["a.jpg", ["a.jpg"], Path("a.jpg")])
def test_a_batch_without_columns_is_refused(batch: Any, shapes_bundle: Path) -> None:
    with pytest.raises(InputError, match=r"Scorer: given \w+, expected a mapping of columns or a data frame"):
        Scorer(shapes_bundle)(batch)


def test_rows_without_a_path_say_so(shapes_bundle: Path, paths: list[str]) -> None:
    cells = np.array([None, paths[0], np.nan, "", paths[1]], dtype=object)
    scored = Scorer(shapes_bundle)({"path": cells})
    assert scored["error"].tolist() == ["the path is empty", "", "the path is empty", "the path is empty", ""]
    alone = Scorer(shapes_bundle)({"path": paths[:2]})
    np.testing.assert_array_equal(
        scored["circle"], [np.nan, alone["circle"][0], np.nan, np.nan, alone["circle"][1]]
    )


def test_frames_of_pandas_are_batches(shapes_bundle: Path, paths: list[str]) -> None:
    frame = pd.DataFrame({"path": paths})

    scored = pd.DataFrame(Scorer(shapes_bundle)(frame))  # as with Spark and Dask

    assert scored.columns.tolist() == ["path", "labels", "error", *LABELS]


def test_threads_open_one_model(
    shapes_bundle: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, open_once = list[str](), open_predictor

    def note(*given: Any, **options: Any) -> Any:
        opened.append(options["workload"])
        return open_once(*given, **options)

    monkeypatch.setattr(scorer_module, "open_predictor", note)
    scorer = Scorer(shapes_bundle)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(scorer, [{"path": np.array(paths)}] * 4))

    assert opened == ["many"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_data_scores_as_one_process(shapes_bundle: Path, paths: list[str]) -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, log_to_driver=False)
    try:
        data = ray.data.from_items([{"path": path} for path in paths])
        scored = data.map_batches(
            Scorer, fn_constructor_args=(str(shapes_bundle),), batch_size=2, concurrency=1
        ).to_pandas()
    finally:
        ray.shutdown()

    alone = pd.DataFrame(Scorer(shapes_bundle)({"path": np.array(paths)}))
    pd.testing.assert_frame_equal(scored.sort_values("path", ignore_index=True), alone, check_dtype=False)
