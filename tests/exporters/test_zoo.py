"""Every large family of models goes into ONNX and comes out the same."""

from pathlib import Path

import pytest

from manylabel.config import HeadName
from manylabel.exporters.registry import export
from tests.untrained import write_untrained

pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

STUDY = ("vgg16", "googlenet", "resnet50", "vit_b_16")
FAMILIES = (
    *("mobilenet_v2", "squeezenet1_1", "alexnet", "densenet121", "inception_v3", "swin_t", "maxvit_t"),
    *("timm/vit_tiny_patch16_224", "timm/convnext_atto", "timm/convnextv2_atto", "timm/efficientnet_b0"),
    *("timm/mobilenetv3_small_100", "timm/mobilenetv4_conv_small", "timm/regnety_002", "timm/resnet18d"),
    *("timm/swin_tiny_patch4_window7_224", "timm/swinv2_tiny_window8_256", "timm/deit_tiny_patch16_224"),
    *("timm/beit_base_patch16_224", "timm/cait_xxs24_224", "timm/xcit_nano_12_p16_224", "timm/mixer_s32_224"),
    *("timm/gmlp_s16_224", "timm/poolformer_s12", "timm/caformer_s18", "timm/edgenext_xx_small"),
    *("timm/mobilevit_xxs", "timm/efficientformer_l1", "timm/fastvit_t8", "timm/repvit_m0_9"),
    *("timm/ghostnet_100", "timm/hrnet_w18_small", "timm/dla34", "timm/vovnet39a", "timm/nfnet_l0"),
    *("timm/coatnet_nano_rw_224", "timm/pvt_v2_b0", "timm/twins_svt_small", "timm/levit_128s"),
    *("timm/eva02_tiny_patch14_224", "timm/vit_small_patch14_dinov2", "timm/vit_base_patch16_siglip_224"),
    *("timm/tiny_vit_5m_224", "timm/inception_next_tiny", "timm/hgnetv2_b0", "timm/starnet_s1"),
)


def test_joined_backbones_are_one_file_and_compute_the_same(tmp_path: Path) -> None:
    name = "efficientnet_lite0+squeezenet1_1"
    write_untrained(tmp_path / "bundle", name, labels=("sea", "sky", "sun"), head="linear", side_px=64)
    exported = export(tmp_path / "bundle", "onnx")
    assert [path.name for path in (tmp_path / "bundle").glob("*.onnx*")] == ["model.onnx"]
    for row in exported.parity.rows:
        assert row.max_difference <= 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STUDY, *FAMILIES])
def test_a_network_is_exported_and_computes_the_same(name: str, tmp_path: Path) -> None:
    head: HeadName = "study" if name in STUDY else "mlp"
    write_untrained(tmp_path / "bundle", name, labels=("sea", "sky", "sun"), head=head)
    for row in export(tmp_path / "bundle", "onnx").parity.rows:
        assert row.max_difference <= 1e-3
