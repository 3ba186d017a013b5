"""What is told while a run goes on, to whoever wants to show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from repdyn.measures.recorder import Measurement
from repdyn.training.loop import Epoch


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is measured and stored.

    Attributes:
        measurement: what was measured.
        seconds: that measuring and storing took.
        not_finite: names of the stored weights that are not finite.
    """

    measurement: Measurement
    seconds: float
    not_finite: tuple[str, ...]


class Observer:
    """Is told how a run goes on; this one shows nothing, and others override what they show."""

    def say(self, text: str) -> None:
        """Take a line on what is done now."""

    def remark(self, text: str) -> None:
        """Take a line that few need."""

    def notice(self, text: str) -> None:
        """Take a line that the user should know of; never an empty one."""

    def training(self, epochs: int, checkpoints: int, done: int) -> AbstractContextManager[object]:
        """Return what is entered while a model trains.

        Args:
            epochs: to train.
            checkpoints: to measure.
            done: how many of these were measured before.
        """
        del epochs, checkpoints, done
        return nullcontext()

    def on_epoch(self, epoch: Epoch) -> None:
        """Take in an epoch that is trained."""

    def measuring(self, steps: Sequence[int]) -> Iterable[int]:
        """Return the steps whose stored weights are measured, one after the other."""
        return steps

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take in a checkpoint that is stored."""

    def on_stop(self, run_id: str) -> None:
        """Take in that a training was stopped and its run has ended."""
