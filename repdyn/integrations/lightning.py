"""A callback for Lightning (`lightning` or `pytorch_lightning`, 2 or later)."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "lightning.pytorch" in sys.modules or "pytorch_lightning" not in sys.modules:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import MLFlowLogger
else:  # the same package by its former name, whose classes are others
    from pytorch_lightning import LightningModule, Trainer
    from pytorch_lightning.callbacks import Callback
    from pytorch_lightning.loggers import MLFlowLogger

from repdyn.integrations.callback import Measuring
from repdyn.measures.inputs import Inputs
from repdyn.records import EPOCH


class RepdynCallback(Callback):
    """Measures a Lightning module while it is fitted.

    Joins the run of an MLFlowLogger, or the one that is active; without one, creates a run. What the
    module logs by epoch is logged under repdyn's names: `val_acc` is `test/acc`.

    Args:
        inputs: what the module is measured on; its `forward` is called.
        checkpoints: how many, log-spaced over the training (default: 60), or a list of steps.
        unit: step (of the optimizer) or epoch.
        options: of `repdyn.start_run`.

    Raises:
        ValueError: another unit.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        checkpoints: int | Sequence[int] | None = None,
        unit: str = "step",
        **options: Any,
    ) -> None:
        if unit not in ("step", EPOCH):
            raise ValueError(f"unit {unit!r}: must be step or epoch")
        self._unit = unit
        self._measuring = Measuring(inputs, {"checkpoints": checkpoints, "unit": unit, **options})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the run, and measure the model that training starts from."""
        logger = next((one for one in trainer.loggers if isinstance(one, MLFlowLogger)), None)
        joined: dict[str, Any] = {}
        if logger is not None and trainer.is_global_zero:
            joined = {"run_id": logger.run_id, "tracking_uri": logger._tracking_uri}
        self._measuring.start(pl_module, self._last(trainer), **joined)
        self._measuring.run.measure(self._now(trainer))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any
    ) -> None:
        """Measure if a step is due."""
        if self._unit != EPOCH:
            self._measuring.run.measure(self._now(trainer))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the epoch's metrics, and measure if the epoch is due."""
        step = self._now(trainer) + (self._unit == EPOCH)
        self._measuring.log(trainer.callback_metrics, step)
        if self._unit == EPOCH:
            self._measuring.run.measure(step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the run."""
        self._measuring.end()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """End the run as failed, or as killed after Ctrl-C."""
        self._measuring.end(exception)

    def _now(self, trainer: Trainer) -> int:
        return trainer.current_epoch if self._unit == EPOCH else trainer.global_step

    def _last(self, trainer: Trainer) -> int | None:
        last = trainer.max_epochs if self._unit == EPOCH else trainer.estimated_stepping_batches
        return None if last is None or last < 0 or math.isinf(last) else int(last)
