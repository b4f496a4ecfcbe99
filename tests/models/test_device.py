"""Devices, precisions, and how models are run for inference."""

import pytest
import torch
from torch import nn

from manylabel.config import DeviceName
from manylabel.errors import ConfigError
from manylabel.models.device import choose_device, choose_precision, few_sizes, infer, open_accelerator

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


class Remembering(nn.Module):
    """Double what comes in, and remember how much that was."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return [batch, ...]."""
        self.sizes.append(len(batch))
        return 2 * batch


@pytest.mark.parametrize(
    ("n_rows", "n_filled"), [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (31, 32), (33, 64), (320, 320)]
)
def test_sizes_are_few_and_no_size_is_much_larger(n_rows: int, n_filled: int) -> None:
    assert few_sizes(n_rows) == n_filled


def test_on_a_cpu_a_batch_stays_as_it_is() -> None:
    module = Remembering()

    outputs = infer(module, torch.ones(5, 2), device=torch.device("cpu"), precision=torch.float32)

    assert module.sizes == [5]
    assert torch.equal(outputs, torch.full((5, 2), 2.0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_few_sizes_are_seen() -> None:
    module, device = Remembering(), torch.device("cuda")
    batches = [torch.rand(n_rows, 2) for n_rows in (1, 3, 5, 7, 8)]

    outputs = [infer(module, batch, device=device, precision=torch.float32) for batch in batches]

    assert module.sizes == [1, 4, 8, 8, 8]
    for batch, output in zip(batches, outputs, strict=True):
        assert torch.equal(output.cpu(), 2 * batch)
