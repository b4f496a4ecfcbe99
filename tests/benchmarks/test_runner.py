"""Cases run in processes of their own; what they need is made once."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cases import OUT, Case, Settings, shown
from benchmarks.drawn_photos import make_phone_photos, make_table
from benchmarks.photo_sets import NETWORKS, convert_weights, timm_weights
from benchmarks.runner import run_case
from benchmarks.workers.common import marginal_rate, read_values
from manylabel.data.find import find_photos
from manylabel.data.formats import read_table
from manylabel.data.sample import write_sample

WRITE = "import json, sys; json.dump({'n_photos': 3.0}, open(sys.argv[1] + '/values.json', 'w'))"


def python_case(code: str) -> Case:
    return Case(key={"tool": "python"}, command=[sys.executable, "-c", code, OUT], read=read_values)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data=tmp_path / "data",
        weights=tmp_path / "weights",
        work=tmp_path / "work",
        python=Path(sys.executable),
        peers_python=tmp_path / "peers" / "python",
    )


def test_a_run_gives_seconds_memory_and_its_own_values(tmp_path: Path) -> None:
    run = run_case(python_case(WRITE), log=tmp_path / "log")

    assert isinstance(run, dict)
    assert run["n_photos"] == 3.0
    assert run["seconds"] > 0
    assert run["peak_mib"] > 1


def test_a_failed_run_gives_the_end_of_what_it_printed(tmp_path: Path) -> None:
    run = run_case(python_case("raise SystemExit('it broke')"), log=tmp_path / "log")

    assert run == "it broke"


def test_a_run_without_results_says_so(tmp_path: Path) -> None:
    run = run_case(python_case("pass"), log=tmp_path / "log")

    assert isinstance(run, str)
    assert run.startswith("ran, but its results cannot be read")


def test_a_command_is_shown_without_folders_of_this_machine(settings: Settings) -> None:
    words = [str(settings.peers_python), "a b.py", f"--photos={settings.data}/scenes", "--out", OUT]

    assert shown(words, settings) == "python 'a b.py' --photos=$DATA/scenes --out $OUT"


def test_the_rate_leaves_out_what_is_paid_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr("benchmarks.workers.common.time.perf_counter", lambda: clock["now"])

    def score(photos: object) -> None:
        clock["now"] += 5.0 + 0.1 * len(photos)  # type: ignore[arg-type]

    rate = marginal_rate(score, [Path("a.jpg")] * 100, n_few=20)

    assert rate["photos_per_second"] == pytest.approx(10.0)
    assert rate["start_seconds"] == pytest.approx(5.0)


def test_a_table_of_any_length_has_no_photo_twice(tmp_path: Path) -> None:
    write_sample(tmp_path / "postcards", n_photos=10)
    make_table(tmp_path / "many", tmp_path / "postcards", n_photos=25)

    table = read_table(tmp_path / "many" / "labels.csv", photos=tmp_path / "many" / "images")
    assert table.n_photos == 25
    assert len({path.read_bytes() for path in table.photos}) == 25


def test_phone_photos_have_twelve_megapixels(shapes_folder: Path, tmp_path: Path) -> None:
    make_phone_photos(tmp_path / "phone", find_photos(shapes_folder), n_photos=1)

    from PIL import Image

    with Image.open(tmp_path / "phone" / "000.jpg") as photo:
        assert photo.size == (4000, 3000)


def test_weights_under_the_names_of_timm_give_the_same_features(settings: Settings) -> None:
    import timm
    import torch
    from safetensors.torch import load_file, save_file
    from torchvision import models

    network: Any = models.mobilenet_v2().eval()
    body = {name: value for name, value in network.state_dict().items() if name.startswith("features")}
    settings.weights.mkdir()
    save_file(body, settings.weights / "mobilenet_v2.safetensors")
    convert_weights(settings, NETWORKS["mobilenet_v2"])

    twin: Any = timm.create_model("mobilenetv2_100", num_classes=0).eval()
    twin.load_state_dict(load_file(timm_weights(settings, NETWORKS["mobilenet_v2"])))
    photos = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(twin.forward_features(photos), network.features(photos))


def test_weights_of_a_package_are_written_for_the_other_tools(settings: Settings) -> None:
    import timm
    import torch
    from safetensors.torch import load_file

    from manylabel.models.backbones import build_backbone
    from manylabel.models.weights import load_weights

    convert_weights(settings, NETWORKS["efficientnet_lite0"])
    twin: Any = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    twin.load_state_dict(load_file(timm_weights(settings, NETWORKS["efficientnet_lite0"])))
    backbone = build_backbone("efficientnet_lite0").eval()
    load_weights(backbone)
    photos = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(twin(photos), backbone(photos))


def test_results_are_plain_json(results: Path) -> None:
    for path in results.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["part"] == path.stem


def test_a_busy_machine_is_told_in_place_of_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 9.0, 10.0, 12.0])
    monkeypatch.setattr("benchmarks.workers.common.time.perf_counter", lambda: next(ticks))

    with pytest.raises(ValueError, match=r"100 photos took 2\.0 s, 20 of them 9\.0 s"):
        marginal_rate(lambda photos: None, [Path("a.jpg")] * 100, n_few=20)
