"""What the callbacks of all frameworks share: a run that is open while a training runs."""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from typing import Any

from torch import nn

from repdyn.integrations.metric_names import renamed
from repdyn.measures.inputs import Inputs
from repdyn.runs.loop import Run, start_run


class Measuring:
    """A run that a framework's callback opens and ends.

    Args:
        inputs: what the model is measured on.
        options: of `start_run`.
    """

    def __init__(self, inputs: Inputs, options: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self._options = options
        self._run: Run | None = None

    @property
    def run(self) -> Run:
        """The run.

        Raises:
            RuntimeError: no training has begun.
        """
        if self._run is None:
            raise RuntimeError("the run is open only while the training runs")
        return self._run

    @property
    def is_open(self) -> bool:
        """Whether there is a run now."""
        return self._run is not None

    def start(self, model: nn.Module, max_steps: int | None, **options: Any) -> None:
        """Open a run; what the user asked for comes before these options."""
        self._run = start_run(
            model, self._inputs, **{"max_steps": max_steps, **options, **self._options}
        )
        # frameworks do not tell of every way in which a training ends
        atexit.register(self.end, SystemExit())

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log metrics under repdyn's names."""
        found = renamed(metrics)
        if found:
            self.run.log(found, step)

    def end(self, error: BaseException | None = None) -> None:
        """End the run, if it is open."""
        run, self._run = self._run, None
        atexit.unregister(self.end)
        if run is not None:
            kind = None if error is None else type(error)
            run.__exit__(kind, error, None if error is None else error.__traceback__)
