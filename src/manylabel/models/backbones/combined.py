"""Several backbones as one: "efficientnet_lite0+efficientnet_lite2".

In:  the names of backbones, joined by "+".
Out: a backbone that gives the features of all of them, one block after the other.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from manylabel.errors import ConfigError
from manylabel.models.backbones.base import Backbone, BackboneSource, SideError, build_for_side

SEPARATOR = "+"
_MOST_MEMBERS = 8
_LONGEST_NAME = 200


def member_names(name: str) -> tuple[str, ...]:
    """Return the names of the backbones that a name joins; a single one of any other name.

    Examples:
        >>> member_names("efficientnet_lite0+timm/resnet18"), member_names("resnet50")
        (('efficientnet_lite0', 'timm/resnet18'), ('resnet50',))
    """
    return tuple(name.split(SEPARATOR))


class Renormalize(nn.Module):
    """A layer from photos normalized for the first of several backbones to photos normalized for each."""

    scale: Tensor
    shift: Tensor

    def __init__(self, members: Sequence[Backbone]) -> None:
        super().__init__()
        first = members[0].preprocessing
        mean, std = torch.tensor(first.mean), torch.tensor(first.std)
        means = torch.tensor([member.preprocessing.mean for member in members])
        stds = torch.tensor([member.preprocessing.std for member in members])
        # [n_members, 3, 1, 1]; saved with the weights, as only the first preprocessing is saved beside them
        self.register_buffer("scale", (std / stds)[..., None, None])
        self.register_buffer("shift", ((mean - means) / stds)[..., None, None])

    def forward(self, photos: Tensor) -> list[Tensor]:
        """Return what each member takes [n, 3, side_px, side_px]."""
        return [photos * scale + shift for scale, shift in zip(self.scale, self.shift, strict=True)]


class CombinedNetwork(nn.Module):
    """Several backbones side by side. Photos are resized and cropped as the first one needs.

    Attributes:
        inputs: Normalizes photos for each.
        members: The backbones.

    Args:
        members: Backbones for photos of one side.
    """

    def __init__(self, members: Sequence[Backbone]) -> None:
        super().__init__()
        self.inputs = Renormalize(members)
        self.members = nn.ModuleList(members)

    def forward(self, photos: Tensor) -> Tensor:
        """Return the features of all members [n, n_features] of photos [n, 3, side_px, side_px]."""
        features = [member(taken) for member, taken in zip(self.members, self.inputs(photos), strict=True)]
        return torch.cat(features, dim=1)


class CombinedSource(BackboneSource):
    """Backbones of other sources, joined by "+".

    Args:
        find: Returns the source of one of them.
    """

    name: ClassVar[str] = "combined"
    help: ClassVar[str] = "Several backbones as one: their names joined by +."

    def __init__(self, find: Callable[[str], BackboneSource]) -> None:
        self._find = find

    def has(self, name: str) -> bool:
        """Tell whether a name joins several."""
        return SEPARATOR in name

    def short_names(self) -> tuple[str, ...]:
        """Return none: any names can be joined."""
        return ()

    def check(self, name: str) -> None:
        """Check every name.

        Raises:
            ConfigError: A backbone is unknown or named twice, or there are too many.
        """
        names = member_names(name)
        if len(name) > _LONGEST_NAME:
            raise ConfigError(
                f"{name}: {len(name)} characters, expected {_LONGEST_NAME} at most: it names files"
            )
        if "" in names or len(set(names)) < len(names) or len(names) > _MOST_MEMBERS:
            raise ConfigError(
                f"{name}: expected up to {_MOST_MEMBERS} different models joined by {SEPARATOR}, e.g. "
                f"efficientnet_lite0{SEPARATOR}efficientnet_lite2"
            )
        for one in names:
            self._find(one)

    def build(self, name: str, side_px: int | None) -> Backbone:
        """Build all backbones for photos of one side: not given, the largest that one of them has."""
        names = member_names(name)
        members = [self._find(one).build(one, side_px) for one in names]
        side = max(member.preprocessing.side_px for member in members)
        members = [
            member if member.preprocessing.side_px == side else self._build_for(one, side)
            for one, member in zip(names, members, strict=True)
        ]
        return Backbone(
            CombinedNetwork(members),
            name=name,
            n_features=sum(member.n_features for member in members),
            preprocessing=members[0].preprocessing,
            removed=(),
            blocks=tuple(member.n_features for member in members),
        )

    def license_of(self, backbone: Backbone) -> str:
        """Return the licenses of all official weights."""
        licenses = (self._find(member.name).license_of(member) for member in members_of(backbone))
        return ", ".join(dict.fromkeys(licenses))

    def _build_for(self, name: str, side_px: int) -> Backbone:
        """Build a backbone for photos of a side that is not its own.

        Raises:
            ConfigError: It cannot take them.
        """
        try:
            return build_for_side(self._find(name), name, side_px)
        except SideError as error:
            raise ConfigError(
                f"{name} cannot take photos of {side_px} x {side_px} pixels, which another joined model "
                "needs; give model.side_px a side that all of them can take"
            ) from error


def members_of(backbone: Backbone) -> tuple[Backbone, ...]:
    """Return the backbones that one joins; itself alone where it joins none."""
    network = backbone.network
    if not isinstance(network, CombinedNetwork):
        return (backbone,)
    return tuple(member for member in network.members if isinstance(member, Backbone))
