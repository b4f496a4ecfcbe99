"""Where and in which numbers to compute."""

import pytest
import torch

from manylabel.config import DeviceName
from manylabel.errors import ConfigError
from manylabel.models.device import choose_device, choose_precision, open_accelerator

CPU = torch.device("cpu")


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == CPU


def test_auto_takes_what_is_there() -> None:
    assert choose_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_told(device: DeviceName) -> None:
    if choose_device("auto").type != "cpu":
        pytest.skip("this machine has an accelerator")

    with pytest.raises(
        ConfigError, match=f"training.device: '{device}' was asked for, this machine offers 'cpu'"
    ):
        open_accelerator(device)


def test_the_accelerator_leaves_precision_to_the_caller() -> None:
    assert open_accelerator("cpu").mixed_precision == "no"


@pytest.mark.parametrize("capability", ["amx_bf16", "avx512_bf16", "bf16"])
def test_a_processor_with_bf16_instructions_uses_them(
    capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx2": True, capability: True}, raising=False
    )

    assert choose_precision("auto", CPU) == torch.bfloat16
    assert choose_precision("fp32", CPU) == torch.float32


def test_a_processor_without_them_computes_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": False}, raising=False
    )

    assert choose_precision("auto", CPU) == torch.float32
    assert choose_precision("bf16", CPU) == torch.bfloat16


def test_a_torch_that_cannot_tell_computes_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)

    assert choose_precision("auto", CPU) == torch.float32


def test_windows_computes_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)

    assert choose_precision("auto", CPU) == torch.float32


@pytest.mark.parametrize(("is_native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_uses_bf16_only_where_it_does_not_emulate_it(
    expected: torch.dtype, monkeypatch: pytest.MonkeyPatch, *, is_native: bool
) -> None:
    def is_supported(*, including_emulation: bool) -> bool:
        return is_native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)

    assert choose_precision("auto", torch.device("cuda")) == expected


def test_other_devices_compute_in_full_precision() -> None:
    assert choose_precision("auto", torch.device("mps")) == torch.float32
