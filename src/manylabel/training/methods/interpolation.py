"""Interpolate between weights before and after fine-tuning.

In:  a module before training, the same module after it, alpha in [0, 1].
Out: the module with weights (1 - alpha) * before + alpha * after.

Weights in between often generalize better than either end (WiSE-FT: Wortsman et al. 2022, "Robust fine-tuning
of zero-shot models", arXiv:2109.01903, section 3).
"""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

DEFAULT_ALPHA = 0.6
ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""The alphas that validation photos choose from."""


class Interpolation:
    """The weights of a module before and after its training.

    Attributes:
        before: Weights before training, by name.
        after: Weights after it.

    Args:
        module: The module that is going to be trained; its head fits its other weights already.
    """

    def __init__(self, module: nn.Module) -> None:
        """Copy the weights before training."""
        self._module = module
        self.before: Mapping[str, Tensor] = copy.deepcopy(module.state_dict())
        self.after = self.before

    @classmethod
    def between(
        cls, module: nn.Module, *, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
    ) -> "Interpolation":
        """Restore the interpolation of a trained module from its weights before and after training."""
        module.load_state_dict(dict(before))
        found = cls(module)
        module.load_state_dict(dict(after))
        found.after = copy.deepcopy(module.state_dict())
        return found

    def finish(self, change: Callable[[], None]) -> None:
        """Copy the weights after training; the module keeps them.

        Args:
            change: Applied to the module before and after training, e.g. undoing the weights of the loss.
        """
        trained = copy.deepcopy(self._module.state_dict())
        self._module.load_state_dict(dict(self.before))
        change()
        self.before = copy.deepcopy(self._module.state_dict())
        self._module.load_state_dict(trained)
        change()
        self.after = copy.deepcopy(self._module.state_dict())

    @torch.no_grad()
    def set_alpha(self, alpha: float) -> None:
        """Set the weights of the module: 0 is before training, 1 after it."""
        for name, value in self._module.state_dict().items():
            value.copy_(
                torch.lerp(self.before[name], self.after[name], alpha)
                if value.is_floating_point()
                else self.after[name]
            )
