"""Keep a trained classifier in a folder, and find it again there or on the Hugging Face hub.

In:  a classifier, or the name of a folder or of a repository on the hub.
Out: a bundle: config.json, weights.safetensors and the rest, as ``bundle`` describes it.
"""

from pathlib import Path

from manylabel.bundle.folder import Bundle, BundleConfig, read_bundle, write_bundle
from manylabel.config import HeadName
from manylabel.engines.model_files import BUNDLE_FILES, OWN_FILES
from manylabel.engines.torch import TorchPredictor, save_weights
from manylabel.errors import BundleError, InputError, needs_extra
from manylabel.io.folders import new_folder
from manylabel.report.card import CARD_HEAD
from manylabel.report.markdown import as_markdown
from manylabel.types import Thresholds

_CARD = (
    CARD_HEAD
    + """\
# {backbone}: {n_labels} labels

A multi-label image classifier: each photo may carry none, one or several of these labels: {labels}.

```python
from manylabel import MultiLabelClassifier

classifier = MultiLabelClassifier.from_pretrained("FOLDER_OR_REPOSITORY")
```

It was saved from Python without being evaluated, so its quality is unknown.
"""
)


def save_bundle(
    folder: Path,
    predictor: TorchPredictor,
    *,
    head: HeadName,
    thresholds: Thresholds,
    overwrite: bool = False,
) -> None:
    """Write a classifier as a bundle.

    Args:
        folder: Folder to make; it may exist empty.
        predictor: The classifier, its labels and constraints.
        head: Name of its head.
        thresholds: One per label.
        overwrite: Replace a bundle in the folder, with all its exported forms.

    Raises:
        OutputError: The folder is taken, or cannot be written to.
    """
    classifier = predictor.classifier
    config = BundleConfig(
        backbone=classifier.backbone.name,
        head=head,
        labels=classifier.labels,
        preprocessing=classifier.preprocessing,
        constraints=predictor.constraints,
    )
    names = ", ".join(map(as_markdown, config.labels))
    card = _CARD.format(backbone=config.backbone, n_labels=len(config.labels), labels=names)
    with new_folder(folder, replaces=OWN_FILES if overwrite else None) as partial:
        write_bundle(
            partial,
            config=config,
            thresholds=thresholds,
            facts={"made_by": "MultiLabelClassifier.save_pretrained"},
            card=card,
            write_weights=lambda path: save_weights(classifier, path),
        )


def find_bundle(name: Path | str) -> Bundle:
    """Return a bundle by its folder, or by its repository on the hub, which is then downloaded.

    Raises:
        BundleError: It is neither, or what is there is no bundle.
        MissingExtraError: It is no folder, and the hub's library is not installed.
    """
    folder = Path(name)
    return read_bundle(folder if folder.is_dir() else _download(str(name)))


def _download(repository: str) -> Path:
    with needs_extra(f"'{repository}' is not a local folder; looking for it on the hub", "train"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(repository, allow_patterns=[*BUNDLE_FILES]))
    except HFValidationError as error:
        raise BundleError(
            f"{repository}: no such folder, and not a valid name of a repository on the hub"
        ) from error
    except _network_errors() as error:
        reason = str(error).strip().partition("\n")[0]
        raise BundleError(
            f"{repository}: no such folder, and it cannot be downloaded from the hub: {reason}"
        ) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """Return what the hub's library raises where the hub refuses or is out of reach."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # Its own error derives from that of the library it asks with, which a network that is away raises bare.
    return (*HfHubHTTPError.__bases__, HfHubHTTPError, LocalEntryNotFoundError, OSError)


def push(bundle: Path | str, repository: str, *, is_private: bool = False) -> str:
    """Copy a bundle into a repository on the Hugging Face hub; the repository is made where it is missing.

    Args:
        bundle: Folder that training wrote.
        repository: USER/NAME.
        is_private: Whether a new repository can be seen by its owner alone.

    Returns:
        Its address.

    Raises:
        InputError: The bundle cannot be used, or the hub refuses.
        MissingExtraError: The hub's library is not installed.
    """
    with needs_extra("Copying to the hub", "train"):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HFValidationError

    folder = read_bundle(Path(bundle)).folder
    hub = HfApi()
    try:
        address = hub.create_repo(repository, private=is_private, exist_ok=True)
        hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=[*BUNDLE_FILES],
            commit_message="Add a manylabel bundle",
        )
    except HFValidationError as error:
        raise InputError(f"{repository}: is no name of a repository on the hub: {error}") from error
    except _network_errors() as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{repository}: the hub did not take the bundle: {reason}") from error
    return str(address)
