"""Training curves that Hugging Face's Trainer and timm save beside their checkpoints."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path

from repdyn.errors import UserError
from repdyn.regular_file import read_regular

TRAINER_STATE = "trainer_state.json"
SUMMARY = "summary.csv"

_MOST_BYTES = 2**28
_TRAINER_NAMES = {"loss": "train/loss", "eval_loss": "test/loss", "eval_accuracy": "test/acc"}
_TIMM_NAMES = {"train_loss": "train/loss", "eval_loss": "test/loss", "eval_top1": "test/acc"}

Metrics = dict[int, dict[str, float]]


def read_trainer_state(path: Path) -> Metrics:
    """Read the log of Hugging Face's Trainer: loss, eval_loss and eval_accuracy by step.

    An accuracy that is not between 0 and 1 is left out.

    Raises:
        UserError: the file is damaged.
    """
    try:
        entries = json.loads(_text(path))["log_history"]
        logged = [(int(entry["step"]), entry) for entry in entries]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise UserError(f"{path}: is not a state of Trainer; remove it to do without") from None
    metrics: Metrics = {}
    for step, entry in logged:
        _add(metrics, step, entry, _TRAINER_NAMES)
    return metrics


def read_summary(path: Path) -> Metrics:
    """Read timm's summary: train_loss, eval_loss and eval_top1, which is in percent, by epoch.

    Of an epoch that was trained again after a restart, the last row counts.

    Raises:
        UserError: the file cannot be read.
    """
    metrics: Metrics = {}
    try:
        for row in csv.DictReader(_text(path).splitlines()):
            epoch = row.get("epoch") or ""
            # a header is repeated after a restart, and the last row may be half written
            if epoch.isdecimal():
                _add(metrics, int(epoch), row, _TIMM_NAMES, percent=True)
    except (csv.Error, ValueError) as error:
        raise UserError(f"{path}: is not a CSV file ({error}); remove it to do without") from None
    return metrics


def _text(path: Path) -> str:
    try:
        return read_regular(path, _MOST_BYTES).decode()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def _add(
    metrics: Metrics,
    step: int,
    entry: Mapping[str, object],
    names: Mapping[str, str],
    *,
    percent: bool = False,
) -> None:
    for theirs, ours in names.items():
        value = _number(entry.get(theirs))
        if value is None:
            continue
        if ours.endswith("/acc"):
            value = value / 100 if percent else value
            if not 0 <= value <= 1:
                continue
        metrics.setdefault(step, {})[ours] = value


def _number(value: object) -> float | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
