"""Settings of runs that were stopped before a setting was added."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from repdyn.runs.resume import with_epsilon
from repdyn.settings.schema import OptimConfig, TrainConfig
from repdyn.training.loop import make_optimizer


def saved(opt: str) -> dict[str, Any]:
    """A state of an optimizer with its own epsilon."""
    optimizer = make_optimizer(nn.Linear(2, 2), OptimConfig(opt=opt, lr=0.1))
    return {"trainer": {"optimizer": optimizer.state_dict()}}


@pytest.mark.parametrize(("opt", "eps"), [("adam", 1e-8), ("lamb", 1e-6), ("sgd", None)])
def test_a_run_from_before_epsilon_was_a_setting_keeps_the_one_it_had(
    opt: str, eps: float | None
) -> None:
    config = TrainConfig(optim=OptimConfig(opt=opt))
    assert with_epsilon(config, saved(opt)).optim == OptimConfig(opt=opt, eps=eps)


@pytest.mark.parametrize("odd", [float("nan"), -1.0, 2, "1e-8", None, torch.tensor(1e-8), [1e-8]])
def test_an_epsilon_that_is_none_is_not_taken(odd: object) -> None:
    config = TrainConfig(optim=OptimConfig(opt="adam"))
    state = {"trainer": {"optimizer": {"param_groups": [{"eps": odd}]}}}
    assert with_epsilon(config, state) == config


@pytest.mark.parametrize(
    "state", [{}, {"trainer": None}, {"trainer": {"optimizer": {"param_groups": []}}}]
)
def test_a_state_without_an_optimizer_changes_nothing(state: dict[str, Any]) -> None:
    assert with_epsilon(TrainConfig(), state) == TrainConfig()
