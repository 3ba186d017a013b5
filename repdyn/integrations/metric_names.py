"""The names under which repdyn reads a training's metrics, from those that others give them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OURS = {
    "loss": "train/loss",
    "train_loss": "train/loss",
    "test_loss": "test/loss",
    "train_acc": "train/acc",
    "test_acc": "test/acc",
    "train_acc_noisy": "train/acc_noisy",
    "train_acc_clean": "train/acc_clean",
}


def renamed(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers among metrics, losses and accuracies under repdyn's names.

    `val_accuracy`, `eval/acc` and `test_acc` become `test/acc`; `loss` and `train_loss_epoch` become
    `train/loss`. Other names stay as they are.
    """
    found = {}
    for name, value in metrics.items():
        number = _number(value)
        if number is not None:
            found[our_name(name)] = number
    return found


def our_name(name: str) -> str:
    """Return repdyn's name of a metric, or the name itself."""
    plain = re.sub(r"[/.\s-]", "_", name.lower())
    plain = re.sub(r"_(epoch|step)$", "", plain)
    plain = re.sub(r"^(val|valid|validation|eval)_", "test_", plain)
    plain = re.sub(r"accuracy(?=_|$)|(?<=_)top1$", "acc", plain)
    return _OURS.get(plain, name)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # texts, and tensors of more than one number
        return None
