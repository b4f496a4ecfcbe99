"""``manylabel predict``: predict the labels of photos.

In:  a bundle; photos, or lists of them.
Out: labels on the screen, and in files if some are given; or files of a part each in a folder.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import Said, show_parts
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.errors import ConfigError, OutputError
from manylabel.exporters.predictions.registry import (
    FORMATS,
    PART_ENDINGS,
    PART_SIZE,
    find_format,
    open_prediction_files,
)

if TYPE_CHECKING:
    from manylabel.bundle.tables import ThresholdSource


def predict(
    bundle: options.Bundle,
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos, folders of photos, or lists of photos: a text file with a path or URL per line, or "
            "a CSV, TSV or Parquet file with a column of them.",
            metavar="PHOTO",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help=f"Write the predictions to this file, ending in {', '.join(FORMATS)}; may be repeated. Or "
            "to this folder, in parts; run the same command again to resume.",
            metavar="FILE|FOLDER",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    excel: Annotated[
        bool,
        typer.Option(
            "--excel",
            help="Write .csv so that Excel reads accented letters correctly; not needed for .xlsx.",
        ),
    ] = False,
    photo_column: Annotated[
        str | None,
        typer.Option(
            help="Column of the photos in a list. Default: image, photo, path, ..., or the only column.",
            metavar="NAME",
        ),
    ] = None,
    part_size: Annotated[
        int | None,
        typer.Option(
            help=f"Photos per part. Default: {PART_SIZE}. Only with --out FOLDER.", metavar="N", min=1
        ),
    ] = None,
    part_format: Annotated[
        str | None,
        typer.Option(
            help="Format of the parts: parquet, csv or jsonl. Default: parquet.",
            metavar="FORMAT",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Write only every Nth part, starting with part K, e.g. 3/16. Other shards can run at the "
            "same time on any machine that shares the folder.",
            metavar="K/N",
        ),
    ] = None,
    max_unreadable: Annotated[
        float | None,
        typer.Option(
            help="Highest fraction of unreadable photos in a part, e.g. 0.05; a part with more is not "
            "written. Default: 1. A part of 100 or more photos is never written if none can be read.",
            metavar="FRACTION",
            min=0.0,
            max=1.0,
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            help="Where to score: here, or on all nodes of a Ray cluster that share the folder, the photos "
            "and the model.",
            metavar="here|ray",
        ),
    ] = "here",
    ray_address: options.RayAddress = None,
    engine: options.Engine = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threshold: options.Threshold = None,
    thresholds: options.ThresholdsFile = None,
) -> None:
    """Predict the labels of photos, with probabilities.

    Unreadable photos get no labels; output files give the reason.
    """
    files, changed = out or [], options.read_threshold_options(thresholds, threshold)
    options.check_ray_address(ray_address, on=on)
    folder = _find_folder(files, photos, is_for_excel=excel, overwrite=overwrite)
    options.check_exist(photos)
    if folder is not None:
        from manylabel.cluster.scoring import predict_parts  # slow to import; --help does not need it

        with show_progress() as on_progress:
            summary = predict_parts(
                bundle,
                photos[0],
                folder,
                part_format=PART_ENDINGS[0] if part_format is None else f".{part_format.lstrip('.')}",
                part_size=part_size or PART_SIZE,
                shard="1/1" if shard is None else shard,
                max_unreadable=1.0 if max_unreadable is None else max_unreadable,
                photo_column=photo_column,
                engine=engine or "auto",
                device=device or "auto",
                precision=precision or "auto",
                thresholds=changed,
                on=on,
                ray_address=ray_address,
                on_progress=on_progress,
            )
        show_parts(summary)
        return
    _refuse_given(
        {
            "--part-size": part_size,
            "--part-format": part_format,
            "--shard": shard,
            "--max-unreadable": max_unreadable,
            "--on": None if on == "here" else on,
            "--ray-address": ray_address,
        }
    )
    for file in files:
        options.check_replaceable(file, overwrite=overwrite, inputs=[*photos, thresholds], bundle=bundle)
    _predict_files(
        bundle,
        photos,
        files,
        is_for_excel=excel,
        photo_column=photo_column,
        engine=engine or "auto",
        device=device or "auto",
        precision=precision or "auto",
        thresholds=changed,
    )


def _predict_files(
    bundle: Path,
    photos: list[Path],
    files: list[Path],
    *,
    is_for_excel: bool,
    photo_column: str | None,
    engine: EngineName,
    device: DeviceName,
    precision: PrecisionName,
    thresholds: "list[ThresholdSource] | None",
) -> None:
    """Write predictions to files, and show the first of them."""
    from manylabel.apply import predict_batches  # slow to import; --help does not need it

    said = Said()
    with show_progress() as on_progress, open_prediction_files(files, is_for_excel=is_for_excel) as write:
        parts = predict_batches(
            bundle,
            photos,
            photo_column=photo_column,
            engine=engine,
            device=device,
            precision=precision,
            thresholds=thresholds,
            on_progress=on_progress,
        )
        for part in parts:
            write(part)
            said.add(part)
    said.show(is_written=bool(files))
    for file in files:
        show_line(f"Predictions: {file}")


def _refuse_given(options_of_folders: Mapping[str, object]) -> None:
    """Refuse options that only make sense for a folder of files.

    Raises:
        ConfigError: One was given.
    """
    given = [name for name, value in options_of_folders.items() if value is not None]
    if given:
        raise ConfigError(f"{', '.join(given)}: only with --out FOLDER")


def _check_endings(files: list[Path]) -> None:
    """Check the endings of files to write.

    Raises:
        OutputError: One is unknown; perhaps a new folder is meant.
    """
    for file in files:
        try:
            find_format(file)
        except OutputError as error:
            raise OutputError(
                f"{error}. For a folder of parts, choose a name without a dot, or make the folder first"
            ) from error


def _find_folder(
    files: list[Path], photos: list[Path], *, is_for_excel: bool, overwrite: bool
) -> Path | None:
    """Return the folder to write to; None where files are given.

    Raises:
        ConfigError: It is given together with something that does not go with it.
    """
    folders = [file for file in files if file.is_dir() or not file.suffix]
    if not folders:
        _check_endings(files)
        return None
    folder = folders[0]
    if len(files) > 1:
        raise ConfigError(f"--out {folder}: is a folder; give no other --out with it")
    if len(photos) > 1:
        raise ConfigError(f"--out {folder}: takes exactly one PHOTO: a folder or a list")
    if is_for_excel:
        raise ConfigError(f"--out {folder}: is a folder; --excel does not work with it")
    if overwrite:
        raise ConfigError(
            f"--out {folder}: is a folder; --overwrite does not work with it. Remove it to start again"
        )
    return folder
