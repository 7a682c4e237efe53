"""Minimises a smooth function of a few numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch


def minimise(start: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor], steps: int = 200) -> torch.Tensor:
    """Where ``loss`` is least, found from ``start``: L-BFGS with a strong Wolfe search (Nocedal & Wright 2006, 7.2).

    The result has the shape of ``start``.
    """
    with torch.enable_grad():
        raw = start.clone().requires_grad_()
        optimiser = torch.optim.LBFGS([raw], max_iter=steps, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            value = loss(raw)
            torch.autograd.backward(value)
            return value

        optimiser.step(closure)  # type: ignore[no-untyped-call]
    return raw.detach()
