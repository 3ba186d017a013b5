"""Checks that a saved state can belong to a training, before its run is reopened."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from repdyn.errors import UserError
from repdyn.measures.probes import LinearProbe
from repdyn.runs.experiment import Experiment
from repdyn.runs.optimizer_check import is_optimizer, is_rate
from repdyn.settings.schema import known
from repdyn.storage import schema


def check_state(state: Mapping[str, Any], experiment: Experiment) -> None:
    """Check a state's counters, sums, weights, optimizer, random states and probes against the training's settings.

    Raises:
        UserError: names the first part that does not belong to this training.
    """
    trainer = state["trainer"]
    epochs, images, batch = experiment.epochs, len(experiment.data.images), experiment.batch_size
    steps = -(-images // batch)
    _require("epoch", _is_whole(trainer.get("epoch"), 1, epochs + 1))
    last = 0 if trainer["epoch"] > epochs else steps
    _require("step", _is_whole(trainer.get("step"), 0, last))
    # the schedules start at the learning rate that is set, and never exceed it
    most = known(experiment.config.optim.lr) * (1 + 1e-6)
    _require("lr", is_rate(trainer.get("lr"), most))
    _require("seconds", is_rate(trainer.get("seconds"), math.inf))
    _require("seconds", all(is_rate(each, math.inf) for each in state["seconds"].values()))
    _require("tally", _is_tally(trainer.get("tally"), _seen(trainer["step"], images, batch)))
    for name in ("order", "random"):
        _require(name, _is_random_state(trainer.get(name), torch.device("cpu")))
    _require("chance", _is_random_state(trainer.get("chance"), experiment.device))
    drawn = trainer.get("device_random")
    # of a run that was on a processor, or on a GPU that is not there now
    _require("device_random", drawn is None or _is_random_state(drawn, experiment.device))
    names = {layer.name for layer in experiment.layers}
    _require("recorder", _are_probes(state["recorder"], names, len(experiment.images.classes)))
    trained = steps - (images % batch == 1)  # a last batch of one is left out
    done = (trainer["epoch"] - 1) * trained + min(trainer["step"], trained)
    model = experiment.new_model()
    _require("model", _has_shapes(trainer.get("model"), model.state_dict()))
    _require("optimizer", is_optimizer(trainer.get("optimizer"), model, experiment, done))


def _require(name: str, holds: bool) -> None:
    if not holds:
        raise UserError(
            f"{schema.LAST_STATE}: does not belong to this run (its {name}); train a new run"
        )


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _seen(step: int, images: int, batch: int) -> int:
    """Return the number of images in this many steps; a last batch of one is left out."""
    seen = min(step * batch, images)
    return seen - 1 if step * batch >= images and images % batch == 1 else seen


def _is_tally(value: object, seen: int) -> bool:
    """Return whether sums are of this many images; the loss may have any value."""
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


def _is_random_state(value: object, device: torch.device) -> bool:
    if not (isinstance(value, Tensor) and value.dtype == torch.uint8):
        return False
    try:
        torch.Generator(device).set_state(value.cpu())
    except RuntimeError:  # of another length, or one that its generator cannot have
        return False
    return True


def _are_probes(value: object, layers: set[str], classes: int) -> bool:
    """Say whether these are linear probes of some of the layers; NaN where one is not solved."""
    return (
        isinstance(value, Mapping)
        and value.keys() <= layers
        and all(_is_probe(probe, classes) for probe in value.values())
    )


_CLASSES = (torch.uint8, torch.uint16, torch.int64)


def _is_probe(value: object, classes: int) -> bool:
    names = [field.name for field in dataclasses.fields(LinearProbe)]
    if not (isinstance(value, Mapping) and value.keys() == set(names)):
        return False
    if not all(isinstance(part, Tensor) for part in value.values()):
        return False
    weight, named = value["weight"], value["classes"]
    if weight.dim() != 2 or any(
        value[part].dtype != torch.float64 for part in names if part != "classes"
    ):
        return False
    features, count = weight.shape
    shapes = {"bias": (count,), "classes": (count,), "mean": (features,), "scale": (features,)}
    return all(value[part].shape == shape for part, shape in shapes.items()) and bool(
        named.dtype in _CLASSES and (named.long() >= 0).all() and (named.long() < classes).all()
    )
