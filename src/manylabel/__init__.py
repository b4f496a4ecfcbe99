"""Turn a folder of photos and a table of labels into a multi-label image classifier.

Public names are loaded on first use, so that ``import manylabel`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from manylabel.waiting import rest_soon

if TYPE_CHECKING:
    from manylabel.apply import evaluate, predict, predict_batches
    from manylabel.config import RunConfig
    from manylabel.data.check import check
    from manylabel.data.formats import read_table
    from manylabel.data.sample import write_sample
    from manylabel.estimator import MultiLabelClassifier
    from manylabel.hash_list import verify
    from manylabel.io.cache import clear_cache, list_cache
    from manylabel.labelling import suggest
    from manylabel.models.catalog import list_models
    from manylabel.pipeline import compare, train
    from manylabel.recipes import load_recipe

__version__ = "0.1.0"

__all__ = [
    "MultiLabelClassifier",
    "RunConfig",
    "__version__",
    "check",
    "clear_cache",
    "compare",
    "evaluate",
    "list_cache",
    "list_models",
    "load_recipe",
    "predict",
    "predict_batches",
    "read_table",
    "suggest",
    "train",
    "verify",
    "write_sample",
]

_HOMES = {
    "MultiLabelClassifier": "manylabel.estimator",
    "RunConfig": "manylabel.config",
    "check": "manylabel.data.check",
    "clear_cache": "manylabel.io.cache",
    "compare": "manylabel.pipeline",
    "evaluate": "manylabel.apply",
    "list_cache": "manylabel.io.cache",
    "list_models": "manylabel.models.catalog",
    "load_recipe": "manylabel.recipes",
    "predict": "manylabel.apply",
    "predict_batches": "manylabel.apply",
    "read_table": "manylabel.data.formats",
    "suggest": "manylabel.labelling",
    "train": "manylabel.pipeline",
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
