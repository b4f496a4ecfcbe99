"""What processes that train one model exchange; nothing where there is one process.

In:  the same rows, weights and decisions in every process, or a part of them each.
Out: all of them in every process.

Every process runs the whole flow with the same settings and seeds, and calls these functions in the same
order. Batches, and photos to score, are divided among them; the gradient is that of the whole batch, so the
model is the same as with one process, but for rounding and dropout.
"""

from collections.abc import Sequence

import numpy as np
import torch
from accelerate.state import PartialState
from accelerate.utils import broadcast, gather, reduce
from torch import Tensor, nn

from manylabel.errors import ConfigError
from manylabel.processes import count_processes, process_number
from manylabel.types import IntArray


def check_processes(tune: str) -> None:
    """Check that several processes have something to share.

    Raises:
        ConfigError: The training method uses one process.
    """
    if count_processes() > 1 and tune != "full":
        raise ConfigError(
            f"training.tune: '{tune}' trains in one process, but {count_processes()} were started; start "
            "manylabel without accelerate launch or torchrun, or use --tune full"
        )


def own_part(rows: IntArray) -> IntArray:
    """Return the rows [n_own] that this process takes of some rows [n_rows], of which each is taken once."""
    return np.array_split(rows, count_processes())[process_number()]


def own_seed(seeds: Sequence[int]) -> int:
    """Return the seed of torch from that of a fit: each process drops out other activations."""
    number = process_number()
    sequence = np.random.SeedSequence([*seeds, number] if number else seeds)
    return int(sequence.generate_state(1)[0])


def gather_rows(own: Tensor, *, n_rows: int) -> Tensor:
    """Put together what all processes computed for their parts of some rows, as ``own_part`` divides them.

    Args:
        own: Of this process [n_own, n_columns].
        n_rows: Number of rows in all.

    Returns:
        Of all processes [n_rows, n_columns], in the order of the rows.
    """
    n = count_processes()
    if n == 1:
        return own
    sizes = [len(part) for part in np.array_split(np.arange(n_rows), n)]
    padded = own.new_zeros(max(sizes), own.shape[1])
    padded[: len(own)] = own
    parts = gather(padded).split(max(sizes))
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def sum_all(numbers: Tensor) -> Tensor:
    """Return the sums over all processes of a few numbers [n]."""
    return numbers if count_processes() == 1 else reduce(numbers, "sum")


def copy_from_first(module: nn.Module) -> None:
    """Give a module the weights that it has in the first process."""
    if count_processes() > 1:
        for value in module.state_dict().values():
            value.copy_(broadcast(value.contiguous()))


def bytes_from_first(content: bytes | None) -> bytes | None:
    """Return what the first process gives; what others give is ignored."""
    if count_processes() == 1:
        return content
    device, is_first = PartialState().device, process_number() == 0
    n = -1 if content is None or not is_first else len(content)
    n_bytes = int(broadcast(torch.tensor([n], device=device)).item())
    if n_bytes < 0:
        return None
    given = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
    if is_first and content is not None:
        given.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    return bytes(broadcast(given).cpu().numpy())


def wait_for_all() -> None:
    """Wait until all processes have come here."""
    if count_processes() > 1:
        PartialState().wait_for_everyone()
