"""A callback for the `Trainer` of Hugging Face (transformers, 5 or later)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from repdyn.integrations.callback import Measuring
from repdyn.measures.inputs import Inputs

_NOT_CURVES = ("epoch", "total_flos")
_SUMMARY = "train_runtime"
"""Marks what Trainer logs once, after the training."""


class RepdynCallback(TrainerCallback):
    """Measures a model while Trainer trains it, by step of the optimizer.

    Joins the run of Trainer's own MLflow callback, or the one that is active; without one, creates a
    run. What Trainer logs is logged under repdyn's names: `eval_accuracy` is `test/acc`.

    Args:
        inputs: what the model is measured on.
        checkpoints: how many, log-spaced over the training (default: 60), or a list of steps.
        options: of `repdyn.start_run`.
    """

    def __init__(
        self, inputs: Inputs, *, checkpoints: int | Sequence[int] | None = None, **options: Any
    ) -> None:
        self._measuring = Measuring(inputs, {"checkpoints": checkpoints, "unit": "step", **options})

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the run, and measure the model that training starts from."""
        self._measuring.start(kwargs["model"], state.max_steps)
        self._measuring.run.measure(state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure if a step is due."""
        self._measuring.run.measure(state.global_step)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Log metrics."""
        logs = kwargs.get("logs") or {}
        if _SUMMARY not in logs and self._measuring.is_open:
            kept = {name: value for name, value in logs.items() if name not in _NOT_CURVES}
            self._measuring.log(kept, state.global_step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the run."""
        self._measuring.end()
