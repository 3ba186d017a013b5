"""Checks that a saved state of an optimizer can belong to a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from repdyn.eval_mode import random_states_kept
from repdyn.runs.experiment import Experiment
from repdyn.settings.schema import known
from repdyn.training.loop import make_optimizer

_ROUNDING = 1e-6

_FORMER = "initial_lr"
"""An option that torch's schedules note, of runs from before rates were computed from the step."""


def is_optimizer(value: object, model: nn.Module, experiment: Experiment, steps: int) -> bool:
    """Return whether a state is of the training's optimizer: same groups, options and buffers.

    The expected state comes from an optimizer that takes one step on two images, so this works for
    all of timm's. Options that a step does not change must be equal; each parameter that gets a
    gradient must have its buffers, of the shapes and types that they have after a step; buffers
    that later steps make have those of their parameter.

    Args:
        value: of the state.
        model: of the training, with any weights; they change.
        experiment: the training's.
        steps: number of steps the training has done.
    """
    optimizer = make_optimizer(model, experiment.config.optim)
    before = optimizer.state_dict()["param_groups"]
    with random_states_kept():
        data = experiment.data
        logits = model.train()(data.inputs(data.images[:2]))
        F.cross_entropy(logits, data.labels[:2]).backward()
        optimizer.step()
    expected = optimizer.state_dict()
    if not (isinstance(value, Mapping) and value.keys() == expected.keys()):
        return False
    groups = value["param_groups"]
    most = known(experiment.config.optim.lr) * (1 + _ROUNDING)
    if not (isinstance(groups, list) and len(groups) == len(before)):
        return False
    if not all(map(_is_group, groups, before, expected["param_groups"], [most] * len(groups))):
        return False
    indices = [i for group in expected["param_groups"] for i in group["params"]]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    buffers, known_buffers = value["state"], expected["state"]
    return (
        isinstance(buffers, Mapping)
        and buffers.keys() == (known_buffers.keys() if steps else set())
        and all(
            _is_entry(entry, known_buffers[i], parameters[indices.index(i)], steps)
            for i, entry in buffers.items()
        )
    )


def is_rate(value: object, most: float) -> bool:
    """Say whether a value is a finite number between zero and a largest one."""
    return type(value) is float and math.isfinite(value) and 0 <= value <= most


def _is_group(
    value: object, before: Mapping[str, Any], after: Mapping[str, Any], most: float
) -> bool:
    """Return whether a group has these options; some optimizers add one in their first step."""
    if isinstance(value, Mapping):
        value = {name: said for name, said in value.items() if name != _FORMER}
    if not (isinstance(value, Mapping) and before.keys() <= value.keys() <= after.keys()):
        return False
    changes = {name for name in after if not _is_same(before.get(name), after[name])}
    return is_rate(value["lr"], most) and all(
        type(value[name]) is type(after[name]) if name in changes else _is_same(said, after[name])
        for name, said in value.items()
        if name != "lr"
    )


def _is_entry(value: object, expected: Mapping[str, Any], parameter: Tensor, steps: int) -> bool:
    """Say whether a parameter's buffers are those of a step, or more that later steps have made."""
    if not (isinstance(value, Mapping) and expected.keys() <= value.keys()):
        return False
    return _counts(value.get("step", 0), steps) and all(
        _is_buffer(buffer, expected[name]) if name in expected else _is_buffer(buffer, parameter)
        for name, buffer in value.items()
    )


def _counts(step: object, steps: int) -> bool:
    """Say whether an optimizer's own count of steps can be that of a training."""
    if isinstance(step, Tensor):
        return step.numel() == 1 and not step.is_complex() and 0 <= float(step) <= steps
    return isinstance(step, int | float) and 0 <= step <= steps


def _is_buffer(value: object, expected: object) -> bool:
    if isinstance(expected, Tensor):
        return isinstance(value, Tensor) and (value.shape, value.dtype) == (
            expected.shape,
            expected.dtype,
        )
    return type(value) is type(expected)


def _is_same(a: object, b: object) -> bool:
    """Say whether two options are equal; tensors among them are compared by shape and type."""
    if isinstance(b, Tensor):
        return _is_buffer(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_is_same, a, b))
    return bool(a == b)
