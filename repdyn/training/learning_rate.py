"""The learning rate of each step: warm-up, then constant or cosine."""

from __future__ import annotations

import math

from repdyn.settings.schema import OptimConfig, known


class LearningRate:
    """The learning rate as a function of the step, so that a resumed training needs no state of it.

    It rises linearly over the warm-up (Goyal et al. 2017, *Accurate, Large Minibatch SGD*) to the one
    that is set, at the warm-up's last step. Then it stays, or falls to zero along half a cosine
    (Loshchilov & Hutter 2017, *SGDR*, without restarts).

    Args:
        config: learning rate, warm-up, schedule.
        epochs: of the training.
        steps: per epoch.
    """

    def __init__(self, config: OptimConfig, epochs: int, steps: int) -> None:
        self._most = known(config.lr)
        self._steps, self._all = steps, epochs * steps
        self._warmup = (config.warmup_epochs or 0) * steps
        self._falls = config.schedule == "cosine"

    def __call__(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step of an epoch; steps count from 0, epochs from 1."""
        done = (epoch - 1) * self._steps + step
        if done < self._warmup:
            return self._most * (done + 1) / self._warmup
        if not self._falls:
            return self._most
        part = (done - self._warmup) / (self._all - self._warmup)
        return self._most * (1 + math.cos(math.pi * part)) / 2
