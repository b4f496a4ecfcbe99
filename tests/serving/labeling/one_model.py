"""A folder of models that holds one, whose run was not written by a training."""

import shutil
from pathlib import Path

from manylabel.errors import InputError
from manylabel.serving.labeling.models import TrainedModel, TrainedModels

NAME, BACKBONE = "model 1", "squeezenet1_1"
MODEL = {"name": NAME, "backbone": BACKBONE}


class OneModel(TrainedModels):
    """A folder of models with one of them.

    Args:
        folder: The folder.
        bundle: What is copied as its bundle; None for an empty folder.
    """

    def __init__(self, folder: Path, bundle: Path | None = None) -> None:
        super().__init__(folder)
        self._bundle = folder / NAME / "models" / BACKBONE
        if bundle is None:
            self._bundle.mkdir(parents=True)
        else:
            shutil.copytree(bundle, self._bundle)

    def listed(self) -> list[TrainedModel]:
        """Return the model."""
        return [
            TrainedModel(
                name=NAME,
                backbone=BACKBONE,
                is_best=True,
                started="2026-11-30T12:00:00",
                n_train=24,
                n_test=8,
                part="test",
                tested_on="0123",
                metrics={"mAP": 0.9, "exact_match": 0.5, "f1_macro": None},
                low=0.8,
                high=0.95,
                labels=["circle", "square", "triangle"],
            )
        ]

    def bundle(self, name: str, backbone: str) -> Path:
        """Return its bundle."""
        if (name, backbone) != (NAME, BACKBONE):
            raise InputError(f"'{name}' has no model '{backbone}'")
        return self._bundle
