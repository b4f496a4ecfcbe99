"""What all sources of backbones share: ``Backbone``, ``BackboneSource``, building without weights.

In:  a model of any library.
Out: a ``Backbone``: normalized photos in, features out, with its preprocessing; outlines without weights.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from manylabel.models.device import evaluating
from manylabel.models.hubs import OfficialFile, PackagedFile
from manylabel.models.weight_files import Weights
from manylabel.preprocess import Preprocessing


class Backbone(nn.Module):
    """A model that turns photos into features.

    Attributes:
        network: The model without its last layer.
        name: Its name, e.g. ``"efficientnet_lite0"``, ``"resnet50"`` or ``"timm/vit_tiny_patch16_224"``.
        n_features: Number of features per photo.
        preprocessing: How a photo becomes the pixels that the model was trained on.
        blocks: Number of features of each backbone that this one joins; its own alone where it joins none.
        removed: First parts of the names of weights that official files have and this model has not: those
            of the classifier and of auxiliary heads.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        n_features: int,
        preprocessing: Preprocessing,
        removed: tuple[str, ...],
        blocks: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.n_features = n_features
        self.preprocessing = preprocessing
        self.removed = removed
        self.blocks = blocks or (n_features,)

    def forward(self, photos: Tensor) -> Tensor:
        """Return features [n, n_features] of normalised photos [n, 3, side_px, side_px]."""
        return pool_features(self.network(photos))


def pool_features(features: Tensor) -> Tensor:
    """Return features [n, n_features] of what a model gives.

    A few encoders of timm, made for language models, keep their patches apart, [n, n_patches, n_features];
    some models keep rows and columns, [n, n_features, rows, columns].
    """
    if features.ndim == 3:
        return features.mean(dim=1)
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    return features


class BackboneSource(ABC):
    """Where backbones come from; one subclass and one entry in ``SOURCES`` per source.

    Attributes:
        name: Its name, e.g. the library.
        help: What it offers, in one sentence.
        has_own_weights: Whether its models come with their weights: then none are drawn, found or fetched.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    has_own_weights: ClassVar[bool] = False

    @abstractmethod
    def has(self, name: str) -> bool:
        """Tell whether a backbone of this name comes from here."""

    @abstractmethod
    def short_names(self) -> tuple[str, ...]:
        """Return the names that a listing shows."""

    @abstractmethod
    def build(self, name: str, side_px: int | None) -> Backbone:
        """Build a backbone; its weights are random or its own."""

    @abstractmethod
    def license_of(self, backbone: Backbone) -> str:
        """Return the license of the official weights."""

    def check(self, name: str) -> None:  # noqa: B027 - most sources have nothing more to check
        """Check the rest of a name that ``has`` knows.

        Raises:
            ConfigError: The source does not have these weights.
        """

    def packaged_file(self, name: str) -> PackagedFile | None:
        """Return the weights of a backbone in an installable package; None where there are none."""
        return None

    def official_file(self, name: str) -> OfficialFile | None:
        """Return the file of the official weights; None where there are none."""
        return None

    def load_official(self, backbone: Backbone, path: Path) -> bool:
        """Load an official file in the library's own way; False where the usual way does."""
        return False

    def convert(self, network: nn.Module, weights: Weights) -> Weights:
        """Return weights of an older layout or another side in the layout of a model."""
        return weights


class SideError(Exception):
    """A backbone cannot take photos of a side; the text is the reason."""


def build_for_side(source: BackboneSource, name: str, side_px: int) -> Backbone:
    """Build a backbone for photos of a side, and check that it can take them.

    Raises:
        SideError: It cannot.
    """
    try:
        backbone = source.build(name, side_px)
        outline_output(backbone, (1, 3, side_px, side_px))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise SideError(str(error).strip().partition("\n")[0]) from error
    return backbone


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random numbers from a seed; torch's generator on the CPU is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also change the generators of every GPU.
        torch.default_generator.manual_seed(seed)
        yield


RANDOM_FILLERS: tuple[Callable[..., Any], ...] = (
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_normal_,
    nn.init.kaiming_uniform_,
)
"""What torch, torchvision and timm draw weights with. Those of ``nn.init`` hand themselves to the mode before
they call the ones above, and leave the mode while they do."""


class Outline(TorchFunctionMode):
    """A context in which models are built without memory for their weights.

    Plain ``with torch.device("meta"):`` does not do: some models compute with small tensors while they
    are built, e.g. RegNet its widths. Here only memory meant to be filled later stays empty, and filling it
    with random numbers is skipped.

    Examples:
        >>> with Outline():
        ...     layer = nn.Linear(4096, 4096)
        >>> layer.weight.shape, layer.weight.is_meta
        (torch.Size([4096, 4096]), True)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Turn ``torch.empty`` into a tensor without memory, and random fillers into nothing."""
        kwargs = {} if kwargs is None else kwargs
        if func is torch.empty and kwargs.get("device") is None:
            return func(*args, **{**kwargs, "device": "meta"})
        if func in RANDOM_FILLERS:
            filled = filled_tensor(args, kwargs)
            if filled.is_meta:
                return filled
        return func(*args, **kwargs)


def filled_tensor(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """Return what one of ``RANDOM_FILLERS`` was called to fill, by the arguments that a mode was given."""
    tensor: Tensor = args[0] if args else kwargs["tensor"]
    return tensor


@torch.no_grad()
def outline_output(network: nn.Module, shape: Sequence[int]) -> Tensor:
    """Run a model on shapes alone, to see whether they fit and what comes out.

    Args:
        network: Stays as it is, on any device.
        shape: Shape of the input, e.g. ``(1, 3, 224, 224)``.

    Returns:
        A tensor with a shape and no values.

    Examples:
        >>> outline_output(nn.Conv2d(3, 8, 3), (1, 3, 32, 32)).shape
        torch.Size([1, 8, 30, 30])
    """
    state = {
        name: value.to("meta") for name, value in (*network.named_parameters(), *network.named_buffers())
    }
    with evaluating(network):
        output: Tensor = functional_call(network, state, (torch.empty(*shape, device="meta"),))
    return output


class Undrawn(TorchFunctionMode):
    """A context, of one thread, in which models are built with NaN instead of random weights.

    Drawing the weights of VGG16 takes longer than loading them. Constants are written and buffers computed as
    always. NaN, because samplers that draw again until all values lie in a range end with it, and because it
    shows where a weight was not loaded.

    Examples:
        >>> with Undrawn():
        ...     torch.zeros(2).normal_()
        tensor([nan, nan])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Fill a tensor with NaN instead of random values."""
        kwargs = {} if kwargs is None else kwargs
        if func not in RANDOM_FILLERS:
            return func(*args, **kwargs)
        with torch.no_grad():
            return filled_tensor(args, kwargs).fill_(float("nan"))


def find_undrawn(network: nn.Module) -> str | None:
    """Return the name of the first weight that was neither drawn nor loaded; None where there is none."""
    state = network.state_dict().items()
    return next((name for name, tensor in state if tensor.isnan().any()), None)
