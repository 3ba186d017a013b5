"""A state that is not of this training is refused before its run is opened again."""

import copy
import math
from typing import Any

import pytest
import torch

from repdyn.commands.state_check import check_state
from repdyn.errors import UserError
from repdyn.experiment import Experiment, prepare
from repdyn.settings.schema import from_settings
from repdyn.training.loop import Trainer

SETTINGS = {
    "width": "0.125",
    "epochs": "4",
    "checkpoints": "3",
    "planes": "3",
    "train_size": "65",
    "batch_size": "32",
}


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return prepare(from_settings(SETTINGS))


@pytest.fixture(scope="module")
def states(experiment: Experiment) -> list[dict[str, Any]]:
    """Train, and keep the state after every step and every epoch."""
    trainer = Trainer(
        experiment.new_model(),
        experiment.data,
        experiment.config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
    )
    kept: list[dict[str, Any]] = []

    def keep() -> None:
        kept.append({"trainer": copy.deepcopy(trainer.state()), "seconds": {"training": 1.0}})

    trainer.after_step = keep
    for _ in trainer:
        keep()
    return kept


def test_every_state_of_a_training_is_its_own(experiment, states) -> None:
    assert len(states) == 4 * 3 + 5
    for state in states:
        check_state(state, experiment)


NUMBERS = [-1, -1.0, math.nan, math.inf, "1", None, True, [1]]
WRONG = [
    *(("epoch", value) for value in [*NUMBERS, 0, 6, 10**9]),
    *(("step", value) for value in [*NUMBERS, 4, 10**9]),
    *(("lr", value) for value in [*NUMBERS, 1, 1e308]),
    *(("seconds", value) for value in [*NUMBERS, 1]),
    *(("tally", value) for value in [*NUMBERS, torch.zeros(5), torch.full((6,), -1.0).double()]),
    ("tally", torch.full((6,), math.nan).double()),
    ("tally", torch.zeros(6)),
    ("model", {}),
    ("model", None),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_state_is_refused_by_name(experiment, states, name: str, value: object) -> None:
    state = {"trainer": states[1]["trainer"] | {name: value}, "seconds": {"training": 1.0}}
    with pytest.raises(UserError, match=rf"not the state of this run \(its {name}\)"):
        check_state(state, experiment)


def test_weights_of_another_shape_are_refused(experiment, states) -> None:
    weights = dict(states[1]["trainer"]["model"])
    weights["fc.weight"] = torch.zeros(3, 3)
    state = {"trainer": states[1]["trainer"] | {"model": weights}, "seconds": {}}
    with pytest.raises(UserError, match="its model"):
        check_state(state, experiment)
