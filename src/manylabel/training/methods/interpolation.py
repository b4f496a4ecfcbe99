"""Keep a part of what training changed: weights between those before and those after it.

In:  a module before training, the same module after it.
Out: the module, its weights somewhere on the way between.

What the whole way gains on the training photos, a part of it gains on others (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models", arXiv:2109.01903, section 3).
"""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

USUAL_SHARE = 0.6
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Way:
    """Hold the weights of a module before and after its training, and move it between them.

    Args:
        module: Is going to be trained; its head fits its other weights already.
    """

    def __init__(self, module: nn.Module) -> None:
        """Copy the weights before training."""
        self._module = module
        self._start: Mapping[str, Tensor] = copy.deepcopy(module.state_dict())
        self._end = self._start

    def end(self, change: Callable[[], None]) -> None:
        """Copy the weights after training, where the module stays.

        Args:
            change: What is to be done to the module at both ends, e.g. undoing the weights of the loss.
        """
        trained = copy.deepcopy(self._module.state_dict())
        self._module.load_state_dict(dict(self._start))
        change()
        self._start = copy.deepcopy(self._module.state_dict())
        self._module.load_state_dict(trained)
        change()
        self._end = copy.deepcopy(self._module.state_dict())

    @torch.no_grad()
    def stand(self, share: float) -> None:
        """Move the module to a share of the way, in [0, 1]: 0 is its start, 1 its end."""
        for name, value in self._module.state_dict().items():
            value.copy_(
                torch.lerp(self._start[name], self._end[name], share)
                if value.is_floating_point()
                else self._end[name]
            )
