"""Part (i): many photos in parts, several workers, lost nodes.

In:  real photos, and a million rows of small ones.
Out: cases: predict in one process and on Ray; compare on one, two and three nodes; commands that are killed.
"""

from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path

from PIL import Image

from benchmarks.cases import Case, Settings, manylabel_environment, worker_command
from benchmarks.drawn_photos import new_folder
from benchmarks.study import sample_folder, write_sample_set
from benchmarks.throughput import bundle_of, make_bundle, small_photos
from benchmarks.workers.common import read_values
from benchmarks.workers.killed import RUN
from manylabel.data.find import find_photos

NETWORK = "mobilenet_v2"
SMALL_NETWORK = "squeezenet1_0"
SMALL_SIDE = ("--set", "model.side_px=32")
"""Squares so small that a million of them take minutes; no other part makes a bundle of this network."""

PACKAGES = ("manylabel", "openvino", "ray", "torch", "numpy", "pillow")

ONE_FILE, IN_PARTS = "one process, one file", "one process, in parts"
TWO_WORKERS, THREE_NODES = "Ray, two nodes", "Ray, three nodes"
LOST_NODES = "Ray, three nodes, two lost"
WAYS: dict[str, tuple[str, ...]] = {
    ONE_FILE: ("--way", "file"),
    IN_PARTS: ("--way", "parts"),
    TWO_WORKERS: ("--way", "parts", "--nodes", "2"),
    THREE_NODES: ("--way", "parts", "--nodes", "3"),
    LOST_NODES: ("--way", "parts", "--nodes", "3", "--lose", "2"),
}
"""Ways to score, and the words of the worker."""

N_PHOTOS, PART_SIZE = 6_300, 300
N_ROWS, ROWS_PER_PART = 1_000_000, 10_000
SMALL_PX, N_SMALL = 64, 2_000
MILLION = f"{N_ROWS:,} rows"

COMPARED = "squeezenet1_1,efficientnet_lite0,efficientnet_lite1,efficientnet_lite2"
NODES = ("1", "2", "3")

N_KILLS, N_PHOTOS_KILLED, PART_SIZE_KILLED = 20, 3_000, 100
KILLED_TRAINING = (
    *("--tune", "full", "--init", "random", "--device", "cpu", "--overwrite"),
    *("--set", "model.side_px=64", "--set", "training.epochs=2"),
)
KILLED: dict[str, tuple[str, ...]] = {
    "predict --out FOLDER": ("predict",),
    "predict --out FOLDER --on ray": ("predict", "--on", "ray"),
    "train --tune full": ("train", "--model", "efficientnet_lite0", *KILLED_TRAINING),
    "compare --tune full --folds 3": (
        *("compare", "--models", "squeezenet1_1,efficientnet_lite0", "--folds", "3"),
        *KILLED_TRAINING,
    ),
    "export --to openvino": ("export", "--to", "openvino"),
}
"""Commands to kill, as they are shown, and their words without photos, labels and output."""


def list_cases(settings: Settings) -> list[Case]:
    """List the ways to score, the million rows, and the numbers of nodes to compare on."""
    scored = [
        _scoring(settings, way, _photo_list(settings), words=words, network=NETWORK, part_size=PART_SIZE)
        for way, words in WAYS.items()
    ]
    million = [
        _scoring(
            settings,
            f"{MILLION}, {way}",
            _row_list(settings),
            words=WAYS[way],
            network=SMALL_NETWORK,
            part_size=ROWS_PER_PART,
        )
        for way in (IN_PARTS, TWO_WORKERS)
    ]
    compared = [_comparison(settings, n_nodes) for n_nodes in NODES]
    return [*scored, *million, *compared, *(_killed(settings, shown) for shown in KILLED)]


def _scoring(
    settings: Settings, work: str, photos: Path, *, words: tuple[str, ...], network: str, part_size: int
) -> Case:
    bundle = bundle_of(settings, network)
    return Case(
        key={"work": work},
        command=worker_command(
            settings,
            *("scoring", *words, "--bundle", str(bundle), "--photos", str(photos)),
            *("--part-size", str(part_size)),
        ),
        environment=manylabel_environment(str(settings.work / "cache")),
        read=read_values,
        packages=PACKAGES,
        prepare=partial(_prepare, settings, network),
    )


def _comparison(settings: Settings, n_nodes: str) -> Case:
    folder = sample_folder(settings)
    return Case(
        key={"work": f"compare, nodes: {n_nodes}"},
        command=worker_command(
            settings,
            *("compare_on_nodes", "--nodes", n_nodes, "--models", COMPARED),
            *("--photos", str(folder / "images"), "--labels", str(folder / "labels.csv")),
        ),
        environment=manylabel_environment(),
        read=read_values,
        packages=PACKAGES,
        prepare=partial(write_sample_set, settings),
    )


def _killed(settings: Settings, shown: str) -> Case:
    name, *options = KILLED[shown]
    bundle, folder = bundle_of(settings, NETWORK), sample_folder(settings)
    begin, words = list[str](), [name]
    if name == "predict":
        words += [str(bundle), str(_photo_list(settings, N_PHOTOS_KILLED)), "--out", RUN]
        words += ["--part-size", str(PART_SIZE_KILLED), "--part-format", "csv", "--precision", "fp32"]
    elif name == "export":
        words, begin = [name, RUN], ["--from", str(bundle)]
    else:
        words += [str(folder / "images"), str(folder / "labels.csv"), "--out", RUN]
    return Case(
        key={"work": f"killed: {shown}"},
        command=worker_command(
            settings, "killed", "--kills", str(N_KILLS), *begin, after=("--", *words, *options)
        ),
        environment=manylabel_environment(),
        read=read_values,
        packages=PACKAGES,
        prepare=partial(_prepare_killed, settings),
    )


def _prepare_killed(settings: Settings) -> None:
    write_sample_set(settings)
    make_bundle(settings, NETWORK)
    photos = [path.absolute() for path in find_photos(small_photos(settings))]
    _write_list(_photo_list(settings, N_PHOTOS_KILLED), photos, n_rows=N_PHOTOS_KILLED)


def _prepare(settings: Settings, network: str) -> None:
    """Make the model and the lists."""
    make_bundle(settings, network, *(SMALL_SIDE if network == SMALL_NETWORK else ()))
    photos = [path.absolute() for path in find_photos(small_photos(settings))]
    _write_list(_photo_list(settings), photos, n_rows=N_PHOTOS)
    small = settings.work / "small_photos"
    if not small.exists():
        with new_folder(small) as partial_folder:
            for path in photos[:N_SMALL]:
                with Image.open(path) as photo:
                    photo.convert("RGB").resize((SMALL_PX, SMALL_PX)).save(partial_folder / path.name)
    _write_list(_row_list(settings), [path.absolute() for path in find_photos(small)], n_rows=N_ROWS)


def _write_list(path: Path, photos: list[Path], *, n_rows: int) -> None:
    """Write a list that repeats some photos."""
    if not path.exists():
        rows = islice(chain.from_iterable(repeat(photos)), n_rows)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{photo}\n" for photo in rows), encoding="utf-8")


def _photo_list(settings: Settings, n_photos: int = N_PHOTOS) -> Path:
    return settings.work / f"photos-{n_photos}.txt"


def _row_list(settings: Settings) -> Path:
    return settings.work / f"rows-{N_ROWS}.txt"
