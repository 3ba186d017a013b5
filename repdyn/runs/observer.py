"""The interface through which a run reports its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from repdyn.measures.recorder import Measurement
from repdyn.training.loop import Epoch


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is measured and stored.

    Attributes:
        measurement: what was measured.
        seconds: time spent on measuring and storing.
        not_finite: names of the stored weights that are not finite.
    """

    measurement: Measurement
    seconds: float
    not_finite: tuple[str, ...]


class Observer:
    """Receives a run's progress; this class shows nothing, subclasses override what they show."""

    def say(self, text: str) -> None:
        """Receive a line about what is happening."""

    def remark(self, text: str) -> None:
        """Receive a line of minor importance."""

    def notice(self, text: str) -> None:
        """Receive a line that the user should see; never an empty one."""

    def decoding(self, what: str, images: int) -> AbstractContextManager[Callable[[int], object]]:
        """Return a context manager that is entered while the images of a folder are read.

        Args:
            what: is done with them, such as decoding.
            images: how many there are.

        Returns:
            It gives a function that is called with the number of images that are done since.
        """
        del what, images
        return nullcontext(lambda done: done)

    def training(self, epochs: int, checkpoints: int, done: int) -> AbstractContextManager[object]:
        """Return a context manager that is entered while a model trains.

        Args:
            epochs: to train.
            checkpoints: to measure.
            done: how many of these were already measured.
        """
        del epochs, checkpoints, done
        return nullcontext()

    def on_epoch(self, epoch: Epoch) -> None:
        """Receive a trained epoch."""

    def measuring(self, steps: Sequence[int]) -> Iterable[int]:
        """Return the steps whose stored weights are to be measured, in order."""
        return steps

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Receive a stored checkpoint."""

    def on_stop(self, run_id: str) -> None:
        """Called when a training was stopped and its run has ended."""
