"""Keep a part of what training changed: weights between those before and those after it.

In:  a module before training, the same module after it.
Out: the module, its weights somewhere on the way between.

What the whole way gains on the training photos, a part of it gains on others (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models", arXiv:2109.01903, section 3).
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from manylabel.training.loop import HeldOutLoss

USUAL_SHARE = 0.6
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Interpolation:
    """Remember the weights of a module before it is trained, to go back towards them.

    Args:
        module: Is going to be trained; its head fits its other weights already.
    """

    def __init__(self, module: nn.Module) -> None:
        """Copy its weights."""
        self._module = module
        self._start = copy.deepcopy(module.state_dict())

    def interpolate(self, share: float | None, validation: HeldOutLoss | None) -> float:
        """Move the trained module back towards its start.

        Args:
            share: Share of the way to keep, in (0, 1]; not given: that of ``SHARES`` with the lowest loss.
            validation: Measures the loss of photos that did not train; without it the usual share is kept.

        Returns:
            The share that was kept; 0 where validation photos say that nothing was gained.
        """
        if share is None:
            share = USUAL_SHARE if validation is None else self._choose(validation)
        self._stand(self._module.state_dict(), share)
        return share

    def _choose(self, validation: HeldOutLoss) -> float:
        end, losses = copy.deepcopy(self._module.state_dict()), {}
        for share in SHARES:
            self._stand(end, share)
            losses[share] = validation(self._module)
        self._module.load_state_dict(end)
        return min(SHARES, key=lambda share: losses[share])

    @torch.no_grad()
    def _stand(self, end: Mapping[str, Tensor], share: float) -> None:
        for name, value in self._module.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.lerp(self._start[name], end[name], share))
