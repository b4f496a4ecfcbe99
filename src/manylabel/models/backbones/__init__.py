"""The registry of backbones: models up to the features that a head reads.

In:  the name of a backbone, e.g. "resnet50" or "timm/NAME"; the side of the photos in pixels.
Out: a ``Backbone``: normalized photos in, features out. Its weights are random until ``weights.load_weights``
     loads better ones.

A new source of backbones is a subclass of ``BackboneSource`` in a file of its own and an entry in
``SOURCES``.
"""

from contextlib import nullcontext

from manylabel.errors import ConfigError, did_you_mean
from manylabel.models.backbones.base import (
    Backbone,
    BackboneSource,
    SideError,
    Undrawn,
    build_for_side,
    pool_features,
    seeded,
)
from manylabel.models.backbones.bundled import BundledSource
from manylabel.models.backbones.combined import CombinedSource, members_of
from manylabel.models.backbones.module import ModuleSource, register_backbone
from manylabel.models.backbones.timm import TIMM_PREFIX, TimmSource
from manylabel.models.backbones.torchvision import TorchvisionSource

__all__ = [
    "SOURCES",
    "TIMM_PREFIX",
    "Backbone",
    "BackboneSource",
    "build_backbone",
    "members_of",
    "pool_features",
    "register_backbone",
    "seeded",
    "short_names",
    "source_of",
    "timm_name",
]

SOURCES: list[BackboneSource] = [
    CombinedSource(lambda name: source_of(name)),
    BundledSource(),
    TorchvisionSource(),
    ModuleSource(),
    TimmSource(),
]
"""All sources; the first that has a name builds it. timm comes last, because it takes a while to import."""


def build_backbone(name: str, *, side_px: int | None = None, seed: int | None = 0) -> Backbone:
    """Build a backbone with random weights, or with those that it comes with.

    Args:
        name: One of ``short_names``, e.g. ``"resnet50"``, or ``"timm/NAME"``, or a registered one.
        side_px: Side of the square photos. Not given: the side that the official weights were trained with.
        seed: Seed of the random weights; torch's own generator is left as it was. None: the weights
            are NaN, for a caller that loads all of them.

    Raises:
        ConfigError: The name is unknown, or the model cannot take photos of that side.

    Examples:
        >>> build_backbone("squeezenet1_1").n_features
        512
        >>> build_backbone("rasnet50")
        Traceback (most recent call last):
        ...
        manylabel.errors.ConfigError: unknown model 'rasnet50'; did you mean 'resnet50'? ...
    """
    source = source_of(name)
    is_undrawn = seed is None and not source.has_own_weights
    with seeded(0 if seed is None else seed), Undrawn() if is_undrawn else nullcontext():
        if side_px is None:
            return source.build(name, None)
        try:
            return build_for_side(source, name, side_px)
        except SideError as error:
            raise ConfigError(
                f"{name} cannot take photos of {side_px} x {side_px} pixels: {error}; "
                f"leave side_px out to use the side that its weights were trained with"
            ) from error


def short_names() -> tuple[str, ...]:
    """Return the names without a prefix, source by source."""
    return tuple(name for source in SOURCES for name in source.short_names())


def source_of(name: str) -> BackboneSource:
    """Return the source of a backbone, its name checked.

    Raises:
        ConfigError: No source has it, or timm has no weights of the given tag.
    """
    for source in SOURCES:
        if source.has(name):
            source.check(name)
            return source
    # timm takes a while to import and is asked only now.
    import timm

    if name.startswith(TIMM_PREFIX):
        hint = did_you_mean(name, [TIMM_PREFIX + known for known in timm.list_models()])
    elif timm.is_model(name):
        hint = f"; did you mean '{TIMM_PREFIX}{name}'?"
    else:
        hint = did_you_mean(name, short_names())
    raise ConfigError(
        f"unknown model '{name}'{hint or '.'} `manylabel models` lists those with a short name, "
        f"`manylabel models '{TIMM_PREFIX}*'` those of timm"
    )


def timm_name(name: str) -> str | None:
    """Return timm's name of a backbone; None where timm does not build it.

    Examples:
        >>> timm_name("efficientnet_lite0"), timm_name("timm/resnet50.tv_in1k"), timm_name("resnet50")
        ('tf_efficientnet_lite0', 'resnet50.tv_in1k', None)
    """
    bundled = BundledSource()
    if bundled.has(name):
        return bundled.architecture(name)
    return name.removeprefix(TIMM_PREFIX) if name.startswith(TIMM_PREFIX) else None
