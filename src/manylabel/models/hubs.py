"""Find the official weights of a network: on this machine, or on the hub that offers them.

In:  the name of a backbone.
Out: an ``OfficialFile`` that knows its name, where it would lie here, and how to fetch it; a ``HubAccess``
     that knows which hubs answer.
"""

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import torch

from manylabel.errors import WeightsError
from manylabel.models.backbones import official_weights, timm_name

# What fetching raises where a hub is out of reach or does not give the file.
HUB_ERRORS = (OSError, HTTPException)

_PATIENCE_SECONDS = 5.0
_OFFLINE_VARIABLES = ("MANYLABEL_OFFLINE", "HF_HUB_OFFLINE")
_YES = ("1", "ON", "TRUE", "YES")
_HUGGING_FACE_NAMES = ("model.safetensors", "pytorch_model.bin")
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
        """Ask the hubs of some files, all at once, whether they answer; wait at most 5 seconds in all.

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
            Thread(target=_knock, args=(hub, url, answers), daemon=True)
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
    """Return the environment variable that forbids to ask hubs; None where none does."""
    is_set = (name for name in _OFFLINE_VARIABLES if os.environ.get(name, "").upper() in _YES)
    return next(is_set, None)


def _knock(hub: str, url: str, answers: dict[str, Exception | None]) -> None:
    """Ask for the head of a file, and write down whether its hub answered."""
    try:
        urlopen(Request(url, method="HEAD"), timeout=_PATIENCE_SECONDS).close()
    except HTTPError:
        # The hub is there. What it says to the real request is for the real request to judge.
        answers[hub] = None
    except HUB_ERRORS as error:
        answers[hub] = error
    except ValueError as error:  # what the user gave as address or proxy is none
        answers[hub] = ConnectionError(str(error))
    else:
        answers[hub] = None


@dataclass(frozen=True, kw_only=True)
class OfficialFile:
    """Where the official weights of one network are.

    Attributes:
        name: Name of the file.
        source: Where they come from, for people: an address or a repository.
        url: Address of the file on its hub.
        placing: How to bring them to a machine without a hub, as an order.
        find: Returns the file if it lies on this machine.
        fetch: Fetches the file from its hub, which answers. Raises one of ``HUB_ERRORS`` where it cannot be
            had, and ``WeightsError`` where what came is not the right file.
    """

    name: str
    source: str
    url: str
    placing: str
    find: Callable[[], Path | None]
    fetch: Callable[[], Path]

    @property
    def hash_start(self) -> str | None:
        """Return what the SHA-256 of the file starts with; None where its name does not say.

        Examples:
            >>> official_file("resnet50").hash_start
            '0676ba61'
        """
        found = _HASH_IN_NAME.search(self.name)
        return found[1] if found else None


def official_file(name: str) -> OfficialFile | None:
    """Return the file of the official weights of a network, or None where there are none.

    Args:
        name: Name of the backbone.

    Examples:
        >>> official_file("vgg16").source
        'https://download.pytorch.org/models/vgg16-397923af.pth'
        >>> official_file("timm/vit_tiny_patch16_224").source
        'https://huggingface.co/timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k'
    """
    architecture = timm_name(name)
    if architecture is None:
        return _torch_hub_file(official_weights(name).url)
    import timm

    config = timm.get_pretrained_cfg(architecture)
    if config is not None and config.hf_hub_id:
        return _hugging_face_file(config.hf_hub_id)
    if config is not None and isinstance(config.url, str) and config.url:
        return _torch_hub_file(config.url)
    return None


def _torch_hub_file(url: str) -> OfficialFile:
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
            f"{url}: what came is not the file that was asked for, or not all of it: {error}; try again"
        ) from error
    return path


def _hugging_face_file(repository: str) -> OfficialFile:
    # timm's dependency; it takes a while to import and is needed for few networks.
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
