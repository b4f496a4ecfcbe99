"""How networks are run for inference."""

import pytest
import torch
from torch import nn

from manylabel.models.modes import _fill_up, infer


class Remembering(nn.Module):
    """Double what comes in, and remember how much that was."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return [batch, ...]."""
        self.sizes.append(len(batch))
        return 2 * batch


@pytest.mark.parametrize(("n_rows", "n_filled"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8), (31, 32), (33, 64)])
def test_a_batch_is_filled_up_with_its_last_row(n_rows: int, n_filled: int) -> None:
    batch = torch.arange(3 * n_rows).reshape(n_rows, 3)

    filled = _fill_up(batch)

    assert filled.shape == (n_filled, 3)
    assert torch.equal(filled[:n_rows], batch)
    assert (filled[n_rows:] == batch[-1]).all()


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
