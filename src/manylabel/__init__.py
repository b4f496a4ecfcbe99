"""Turn a folder of photos and a table of labels into a multi-label image classifier.

Public names are loaded on first use, so that ``import manylabel`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from manylabel.waiting import rest_soon

if TYPE_CHECKING:
    from manylabel.apply import evaluate, predict, predict_batches
    from manylabel.cluster.scoring import predict_parts
    from manylabel.comparison import Comparison, compare, train
    from manylabel.config import (
        AugmentationConfig,
        ConstraintsConfig,
        DataConfig,
        EvaluationConfig,
        ModelConfig,
        RunConfig,
        SplitConfig,
        TrainingConfig,
    )
    from manylabel.data.check import check
    from manylabel.data.formats import read_table
    from manylabel.data.sample import write_sample
    from manylabel.dataset import Dataset
    from manylabel.errors import (
        BundleError,
        ConfigError,
        EngineError,
        InputError,
        ManylabelError,
        MissingExtraError,
        MissingWeightsError,
        OutputError,
        PhotoError,
        TableError,
        WeightsError,
    )
    from manylabel.estimator import MultiLabelClassifier
    from manylabel.explanation.run import explain
    from manylabel.exporters.registry import export
    from manylabel.hash_list import verify
    from manylabel.io.cache import clear_cache, list_cache
    from manylabel.labeling import suggest
    from manylabel.model import Model
    from manylabel.models.backbones import register_backbone
    from manylabel.models.catalog import list_models
    from manylabel.recipes import load_recipe
    from manylabel.results import RunResults
    from manylabel.serving.app import serve

__version__ = "0.2.0"

__all__ = [
    "AugmentationConfig",
    "BundleError",
    "Comparison",
    "ConfigError",
    "ConstraintsConfig",
    "DataConfig",
    "Dataset",
    "EngineError",
    "EvaluationConfig",
    "InputError",
    "ManylabelError",
    "MissingExtraError",
    "MissingWeightsError",
    "Model",
    "ModelConfig",
    "MultiLabelClassifier",
    "OutputError",
    "PhotoError",
    "RunConfig",
    "RunResults",
    "SplitConfig",
    "TableError",
    "TrainingConfig",
    "WeightsError",
    "__version__",
    "check",
    "clear_cache",
    "compare",
    "evaluate",
    "explain",
    "export",
    "list_cache",
    "list_models",
    "load_recipe",
    "predict",
    "predict_batches",
    "predict_parts",
    "read_table",
    "register_backbone",
    "serve",
    "suggest",
    "train",
    "verify",
    "write_sample",
]

_HOMES = {
    "AugmentationConfig": "manylabel.config",
    "BundleError": "manylabel.errors",
    "Comparison": "manylabel.comparison",
    "ConfigError": "manylabel.errors",
    "DataConfig": "manylabel.config",
    "Dataset": "manylabel.dataset",
    "EngineError": "manylabel.errors",
    "EvaluationConfig": "manylabel.config",
    "InputError": "manylabel.errors",
    "ManylabelError": "manylabel.errors",
    "MissingExtraError": "manylabel.errors",
    "MissingWeightsError": "manylabel.errors",
    "Model": "manylabel.model",
    "ModelConfig": "manylabel.config",
    "MultiLabelClassifier": "manylabel.estimator",
    "OutputError": "manylabel.errors",
    "PhotoError": "manylabel.errors",
    "ConstraintsConfig": "manylabel.config",
    "RunConfig": "manylabel.config",
    "RunResults": "manylabel.results",
    "SplitConfig": "manylabel.config",
    "TableError": "manylabel.errors",
    "TrainingConfig": "manylabel.config",
    "WeightsError": "manylabel.errors",
    "check": "manylabel.data.check",
    "clear_cache": "manylabel.io.cache",
    "compare": "manylabel.comparison",
    "evaluate": "manylabel.apply",
    "explain": "manylabel.explanation.run",
    "export": "manylabel.exporters.registry",
    "list_cache": "manylabel.io.cache",
    "list_models": "manylabel.models.catalog",
    "load_recipe": "manylabel.recipes",
    "predict": "manylabel.apply",
    "predict_batches": "manylabel.apply",
    "predict_parts": "manylabel.cluster.scoring",
    "read_table": "manylabel.data.formats",
    "register_backbone": "manylabel.models.backbones",
    "serve": "manylabel.serving.app",
    "suggest": "manylabel.labeling",
    "train": "manylabel.comparison",
    "verify": "manylabel.hash_list",
    "write_sample": "manylabel.data.sample",
}

rest_soon()


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'manylabel' has no attribute '{name}'")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from manylabel.errors import MissingExtraError

        if error.name is not None and error.name.startswith("manylabel"):
            raise
        raise MissingExtraError(f"manylabel.{name}", "train") from error


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
