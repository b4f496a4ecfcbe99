"""How networks are run for inference."""

import pytest
import torch
from torch import nn

from manylabel.models.modes import few_sizes, infer


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
