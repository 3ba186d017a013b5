"""Which of the steps that a loop offers are measured."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import index

from repdyn.checks import MOST_CHECKPOINTS
from repdyn.errors import UserError
from repdyn.records import EPOCH
from repdyn.training.checkpoint_epochs import checkpoint_epochs

CHECKPOINTS = 60
"""How many checkpoints there are by default."""


class Schedule:
    """The steps that are due, and how far a loop has come.

    Args:
        checkpoints: how many, spaced evenly in ln(1 + step) from 0 to `max_steps`; or which; None for
            CHECKPOINTS, or all steps that are offered if `max_steps` is not given.
        max_steps: the last step.
        unit: of the steps.

    Attributes:
        unit: of the steps.

    Raises:
        UserError: they are invalid, or do not fit together.
    """

    def __init__(
        self, checkpoints: int | Sequence[int] | None, max_steps: int | None, unit: str = EPOCH
    ) -> None:
        if max_steps is not None and max_steps < 1:
            raise UserError(f"max_steps {max_steps}: must be at least 1")
        if isinstance(checkpoints, int) and not 2 <= checkpoints <= MOST_CHECKPOINTS:
            raise UserError(
                f"checkpoints {checkpoints}: must be from 2 to {MOST_CHECKPOINTS:,}, or a list of steps"
            )
        self._due: tuple[int, ...] | None
        if checkpoints is None and max_steps is None:
            self._due = None
        elif checkpoints is None or isinstance(checkpoints, int):
            if max_steps is None:
                raise UserError(
                    f"checkpoints {checkpoints}: give max_steps, too, or a list of steps"
                )
            self._due = checkpoint_epochs(max_steps, checkpoints or CHECKPOINTS)
        else:
            self._due = tuple(sorted({int(step) for step in checkpoints}))
            if not self._due or self._due[0] < 0:
                raise UserError("checkpoints: give steps from 0, at least one")
        self.unit = unit
        self._resumed = self._last = self._offered = -1

    @property
    def left_over(self) -> int | None:
        """The last step that the loop offered, if it was not due."""
        return self._offered if self._offered > self._last else None

    def resume_after(self, step: int) -> None:
        """Skip the steps up to this one, which are measured: a resumed loop may repeat them."""
        self._resumed = self._last = self._offered = step

    def takes(self, step: int) -> bool:
        """Return whether a step is to be measured: the first one at or after each step that is due.

        A step that is repeated is not.

        Raises:
            UserError: it is no step, or comes before the last one.
        """
        try:
            number = index(step)
        except TypeError:
            number = -1
        if number < 0:
            raise UserError(f"{self.unit} {step!r}: steps are whole numbers from 0")
        if number <= self._resumed or number == self._offered:
            return False
        if number < self._offered:
            raise UserError(
                f"{self.unit} {number} comes after {self._offered}; measure in increasing order"
            )
        self._offered = number
        return self.is_due(number)

    def is_due(self, step: int) -> bool:
        """Return whether a step after the last measured one is to be measured."""
        if step <= self._last:
            return False
        if self._due is None:
            return True
        return bisect_right(self._due, step) > bisect_right(self._due, self._last)

    def took(self, step: int) -> None:
        """Note that a step was measured, or that it failed."""
        self._last = max(self._last, step)
