"""Backbones from Python: any ``nn.Module`` that turns photos into features.

In:  a module and its preprocessing, registered under a name.
Out: a copy of it as a ``Backbone``, with the weights that it came with.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from manylabel.errors import ConfigError
from manylabel.models.backbones.base import Backbone, BackboneSource, pool_features
from manylabel.models.device import evaluating
from manylabel.preprocess import Preprocessing


@dataclass(frozen=True, eq=False, kw_only=True)
class _Registered:
    module: nn.Module
    preprocessing: Preprocessing
    is_pretrained: bool
    license_name: str


_MODULES: dict[str, _Registered] = {}


def register_backbone(
    name: str,
    module: nn.Module,
    *,
    preprocessing: Preprocessing,
    is_pretrained: bool = True,
    license_name: str = "your own",
) -> None:
    """Make a module a backbone for this process; bundles of it can be loaded after the same call.

    Args:
        name: Its name from now on, as in ``models.names``; an earlier module of this name is replaced.
        module: Takes normalized photos [n, 3, side_px, side_px], gives features [n, n_features],
            [n, n_patches, n_features] or [n, n_features, rows, columns]. It is copied whenever it is used.
        preprocessing: How a photo becomes the pixels that it was trained on.
        is_pretrained: Whether its weights are worth keeping: then a head is trained first.
        license_name: License of its weights.

    Raises:
        ConfigError: Another source has a backbone of this name.

    Examples:
        >>> from torch.nn import AdaptiveAvgPool2d, Conv2d, Sequential
        >>> module = Sequential(Conv2d(3, 8, 3), AdaptiveAvgPool2d(1))
        >>> register_backbone("tiny", module, preprocessing=Preprocessing(side_px=32))
        >>> from manylabel.models.backbones import build_backbone
        >>> build_backbone("tiny").n_features
        8
    """
    from manylabel.models.backbones import SOURCES
    from manylabel.models.backbones.combined import SEPARATOR

    if SEPARATOR in name:
        raise ConfigError(f"register_backbone: '{name}' contains '{SEPARATOR}', which joins models")
    if any(source.has(name) for source in SOURCES if not isinstance(source, ModuleSource)):
        raise ConfigError(f"register_backbone: the name '{name}' is taken; choose another one")
    _MODULES[name] = _Registered(
        module=module, preprocessing=preprocessing, is_pretrained=is_pretrained, license_name=license_name
    )


class ModuleSource(BackboneSource):
    """The modules that were registered in this process."""

    name = "module"
    help = "Modules that were registered from Python with register_backbone."
    has_own_weights = True

    def has(self, name: str) -> bool:
        """Tell whether a module was registered under this name."""
        return name in _MODULES

    def short_names(self) -> tuple[str, ...]:
        """Return the names of all registered modules."""
        return tuple(_MODULES)

    def build(self, name: str, side_px: int | None) -> Backbone:
        """Copy a module."""
        known = _MODULES[name]
        preprocessing = known.preprocessing
        if side_px is not None:
            preprocessing = replace(preprocessing, side_px=side_px)
        network = copy.deepcopy(known.module)
        return Backbone(
            network,
            name=name,
            n_features=_count_features(network, side_px=preprocessing.side_px),
            preprocessing=preprocessing,
            removed=(),
        )

    def is_pretrained(self, name: str) -> bool:
        """Tell whether the weights of a module are worth keeping."""
        return _MODULES[name].is_pretrained

    def license_of(self, backbone: Backbone) -> str:
        """Return the license that the module was registered with."""
        return _MODULES[backbone.name].license_name


@torch.no_grad()
def _count_features(network: Any, *, side_px: int) -> int:
    weight = next(network.parameters(), torch.zeros(()))
    with evaluating(network):
        features = pool_features(network(torch.zeros(1, 3, side_px, side_px).to(weight)))
    return int(features.shape[1])
