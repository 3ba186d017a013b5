"""Losses and hits of a training's batches, added up on the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def counts(logits: Tensor, labels: Tensor, noisy: Tensor, loss: Tensor) -> Tensor:
    """Return the sums of a batch: of losses, images, hits among clean and noisy ones, noisy ones."""
    hit = logits.argmax(dim=1) == labels
    # a number copied from the host would have it wait for the device
    n = torch.full((), float(len(labels)), device=labels.device)
    parts = [loss.float() * n, n, (hit & ~noisy).sum(), (hit & noisy).sum(), noisy.sum()]
    return torch.stack([part.to(torch.float64) for part in parts])


class Tally:
    """Sums of losses and hits, kept on the device until they are read."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(6, dtype=torch.float64, device=device)

    def add(self, found: Tensor) -> None:
        """Add the counts of a batch."""
        self.sums[:5] += found
        # a sum that is not finite stays so: this counts the steps before the first bad one
        self.sums[5] += self.sums[0].isfinite()

    def result(self) -> tuple[float, float, float, float]:
        """Return mean loss, accuracy, accuracy on clean and on noisy examples."""
        loss, n, hit_clean, hit_noisy, noisy, _ = self.sums.tolist()
        clean = n - noisy
        return (
            loss / n,
            (hit_clean + hit_noisy) / n,
            hit_clean / clean if clean else float("nan"),
            hit_noisy / noisy if noisy else float("nan"),
        )

    def bad_step(self) -> int | None:
        """Return the first step whose loss was not finite, from 1; None if there was none."""
        loss, *_, good = self.sums.tolist()
        return None if math.isfinite(loss) else int(good) + 1
