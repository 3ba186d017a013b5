"""Whether a saved state can be that of a training, before the training's run is opened again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from repdyn.errors import UserError
from repdyn.experiment import Experiment
from repdyn.settings.schema import known
from repdyn.storage import schema


def check_state(state: Mapping[str, Any], experiment: Experiment) -> None:
    """Check a state's counters, sums and weights against the training's settings.

    Raises:
        UserError: names the first that is not of this training.
    """
    trainer = state["trainer"]
    epochs, images, batch = experiment.epochs, len(experiment.data.images), experiment.batch_size
    steps = -(-images // batch)
    _require("epoch", _is_whole(trainer.get("epoch"), 1, epochs + 1))
    last = 0 if trainer["epoch"] > epochs else steps
    _require("step", _is_whole(trainer.get("step"), 0, last))
    # the schedules start at the learning rate that is set, and never exceed it
    most = known(experiment.config.optim.lr) * (1 + 1e-6)
    _require("lr", _is_number(trainer.get("lr"), most))
    _require("seconds", _is_number(trainer.get("seconds"), math.inf))
    _require("seconds", all(_is_number(each, math.inf) for each in state["seconds"].values()))
    _require("tally", _is_tally(trainer.get("tally"), _seen(trainer["step"], images, batch)))
    _require("model", _has_shapes(trainer.get("model"), experiment.sketch().state_dict()))


def _require(name: str, holds: bool) -> None:
    if not holds:
        raise UserError(
            f"{schema.LAST_STATE}: is not the state of this run (its {name}); train it anew"
        )


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_number(value: object, most: float) -> bool:
    return type(value) is float and math.isfinite(value) and 0 <= value <= most


def _seen(step: int, images: int, batch: int) -> int:
    """Return the images of so many steps; a last batch of one is left out."""
    seen = min(step * batch, images)
    return seen - 1 if step * batch >= images and images % batch == 1 else seen


def _is_tally(value: object, seen: int) -> bool:
    """Say whether sums are those of so many images; the loss may be what it likes."""
    if not isinstance(value, Tensor) or value.shape != (6,) or value.dtype != torch.float64:
        return False
    _, count, clean, noisy, flipped, good = value.tolist()
    hits_fit = 0 <= noisy <= flipped and 0 <= clean <= count - flipped
    return bool(count == seen and hits_fit and 0 <= good <= seen)


def _has_shapes(value: object, wanted: Mapping[str, Tensor]) -> bool:
    return (
        isinstance(value, Mapping)
        and value.keys() == wanted.keys()
        and all(
            isinstance(value[name], Tensor)
            and (value[name].shape, value[name].dtype) == (tensor.shape, tensor.dtype)
            for name, tensor in wanted.items()
        )
    )
