"""Frozen modules through an engine: what comes out is what torch gives, or torch does it."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from manylabel.engines import frozen
from manylabel.engines.base import relative_error
from manylabel.engines.frozen import EnginePlan, compile_frozen, plan_engine
from manylabel.errors import ConfigError, MissingExtraError
from manylabel.preprocess import PixelArray

CPU = torch.device("cpu")


class Small(nn.Module):
    """Take pixels, as frozen parts of models do."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return [n, 4] of pixels [n, 8, 8, 3]."""
        photos = (pixels.float() / 255).permute(0, 3, 1, 2)
        return torch.relu(self.layer(photos)).mean(dim=(2, 3))


def batches(*sizes: int) -> list[PixelArray]:
    """Draw batches of some sizes."""
    rng = np.random.default_rng(0)
    return [rng.integers(256, size=(size, 8, 8, 3), dtype=np.uint8) for size in sizes]


def plan(engine: str = "openvino", precision: torch.dtype = torch.float32) -> EnginePlan:
    """Return a plan for the CPU."""
    return plan_engine(engine, device=CPU, precision=precision)  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [(3, 5, 1, 5, 2), (1,), (16, 16), (40, 1, 15), (33, 2)])
def test_openvino_gives_what_torch_gives_in_order_for_batches_of_any_size(sizes: tuple[int, ...]) -> None:
    given, module = batches(*sizes), Small().eval()

    outputs = [*compile_frozen(module, plan(), sample=given[0]).run(given)]

    with torch.inference_mode():
        expected = [module(torch.from_numpy(batch)).numpy() for batch in given]
    assert tuple(len(output) for output in outputs) == sizes
    for output, right in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(output, right, rtol=1e-4, atol=1e-5)


def test_an_engine_can_run_again_and_on_nothing() -> None:
    given = batches(2)
    engine = compile_frozen(Small().eval(), plan(), sample=given[0])

    first, second = [*engine.run(given)], [*engine.run(given)]

    np.testing.assert_array_equal(first[0], second[0])
    assert [*engine.run([])] == []


def test_bf16_stays_near_float32() -> None:
    given, module = batches(4), Small().eval()
    exact = next(compile_frozen(module, plan("torch"), sample=given[0]).run(given))
    rough = next(compile_frozen(module, plan("torch", torch.bfloat16), sample=given[0]).run(given))

    assert rough.dtype == np.float32
    assert 0 < relative_error(rough, exact) < 0.05


def test_another_result_than_that_of_torch_is_not_used_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given, module = batches(2), Small().eval()
    honest = frozen._OpenVinoRunner.run

    def wrong(engine: frozen._OpenVinoRunner, todo: list[PixelArray]) -> Iterator[np.ndarray]:
        for output in honest(engine, todo):
            yield output * 1.01

    monkeypatch.setattr(frozen._OpenVinoRunner, "run", wrong)
    with caplog.at_level(logging.WARNING):
        engine = compile_frozen(module, plan(), sample=given[0])

    assert isinstance(engine, frozen._TorchRunner)
    assert "OpenVINO's result differs from torch's (relative error 0.01)" in caplog.text


@pytest.mark.parametrize(("error", "is_used"), [(0.08, True), (0.1, False)])
def test_in_bf16_an_engine_may_err_a_little_more_than_torch_does(
    error: float, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, module = batches(2), Small().eval()
    exact = next(compile_frozen(module, plan("torch"), sample=given[0]).run(given))
    of_torch = frozen._TorchRunner.run

    def rounding(engine: frozen._TorchRunner, todo: list[PixelArray]) -> Iterator[np.ndarray]:
        for output in of_torch(engine, todo):
            yield exact * 1.06 if engine.plan.precision == torch.bfloat16 else output

    def erring(engine: frozen._OpenVinoRunner, todo: list[PixelArray]) -> Iterator[np.ndarray]:
        for _ in todo:
            yield exact * (1 + error)

    monkeypatch.setattr(frozen._TorchRunner, "run", rounding)
    monkeypatch.setattr(frozen._OpenVinoRunner, "run", erring)
    engine = compile_frozen(module, plan("openvino", torch.bfloat16), sample=given[0])

    assert isinstance(engine, frozen._OpenVinoRunner) == is_used


def test_what_openvino_cannot_convert_is_left_to_torch_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no conversion rule for aten::strange")

    monkeypatch.setattr(frozen, "pixels_to_openvino", refuse)
    with caplog.at_level(logging.WARNING):
        engine = compile_frozen(Small().eval(), plan(), sample=batches(2)[0])

    assert isinstance(engine, frozen._TorchRunner)
    assert "OpenVINO cannot run this model (no conversion rule for aten::strange)" in caplog.text


def test_without_openvino_auto_takes_torch_and_a_wish_for_it_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frozen, "has_openvino", lambda: False)

    assert plan("auto").name == "torch"
    with pytest.raises(MissingExtraError, match="pip install"):
        plan("openvino")


def test_openvino_is_for_cpus_only() -> None:
    chosen = plan_engine("auto", device=torch.device("cuda"), precision=torch.bfloat16)

    assert (chosen.name, chosen.precision) == ("torch", torch.bfloat16)
    assert plan("auto").name == "openvino"
    with pytest.raises(ConfigError, match=r"'openvino' computes on the CPU, this run computes on 'cuda'"):
        plan_engine("openvino", device=torch.device("cuda"), precision=torch.float32)
