"""A state that is not of this training is refused before its run is opened again."""

import copy
import math
from typing import Any

import pytest
import timm.optim
import torch

from repdyn.errors import UserError
from repdyn.runs import state_file
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.state_check import check_state
from repdyn.settings.text import from_settings
from repdyn.training.loop import Trainer

SETTINGS = {
    "width": "0.125",
    "epochs": "4",
    "checkpoints": "3",
    "planes": "3",
    "train_size": "65",
    "batch_size": "32",
    "schedule": "cosine",
}


def whole(trainer: dict[str, Any], recorder: object = None) -> dict[str, Any]:
    return {"trainer": trainer, "recorder": recorder or {}, "seconds": {"training": 1.0}}


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return prepare(from_settings(SETTINGS))


def trainer_of(experiment: Experiment) -> Trainer:
    return Trainer(
        experiment.new_model(),
        experiment.data,
        experiment.config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
    )


@pytest.fixture(scope="module")
def states(experiment: Experiment) -> list[dict[str, Any]]:
    """Train, and keep the state after every step and every epoch."""
    trainer = trainer_of(experiment)
    kept: list[dict[str, Any]] = []

    def keep() -> None:
        kept.append(whole(copy.deepcopy(trainer.state())))

    trainer.after_step = keep
    for _ in trainer:
        keep()
    return kept


def test_every_state_of_a_training_is_its_own(
    experiment: Experiment, states: list[dict[str, Any]]
) -> None:
    assert len(states) == 4 * 3 + 5
    for state in states[1::3]:  # after the first step, in the midst of an epoch, after the last
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
    *(
        (name, value)
        for name in ("optimizer", "recorder")
        for value in [*NUMBERS[:2], True, "1", {"a": {}}]
    ),
    *((name, value) for name in ("order", "chance", "random") for value in [*NUMBERS, None]),
    *((name, torch.zeros(7, dtype=torch.uint8)) for name in ("order", "chance", "random")),
    *((name, torch.zeros(5056)) for name in ("order", "chance", "random", "device_random")),
    ("order", torch.full((5056,), 255, dtype=torch.uint8)),
    ("device_random", "1"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_state_is_refused_by_name(
    experiment: Experiment, states: list[dict[str, Any]], name: str, value: object
) -> None:
    state = whole(states[1]["trainer"] | {name: value})
    if name == "recorder":
        state = whole(states[1]["trainer"], value)
    with pytest.raises(UserError, match=rf"does not belong to this run \(its {name}\)"):
        check_state(state, experiment)


def test_weights_of_another_shape_are_refused(
    experiment: Experiment, states: list[dict[str, Any]]
) -> None:
    weights = dict(states[1]["trainer"]["model"])
    weights["fc.weight"] = torch.zeros(3, 3)
    state = whole(states[1]["trainer"] | {"model": weights})
    with pytest.raises(UserError, match="its model"):
        check_state(state, experiment)


def changed(state: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """Return a copy of a state with another value at a path; DROP takes it out."""
    state = copy.deepcopy(state)
    *way, last = path
    place = state["trainer"]
    for key in way:
        place = place[key]
    if value is DROP:
        del place[last]
    else:
        place[last] = value
    return state


def test_the_state_of_a_run_whose_rate_torch_scheduled_is_accepted(
    experiment: Experiment, states: list[dict[str, Any]]
) -> None:
    state = changed(states[1], ("optimizer", "param_groups", 0, "initial_lr"), 0.0015)
    check_state(changed(state, ("scheduler",), {"last_epoch": 2}), experiment)


DROP = object()
FEW = [math.nan, "1"]
BUFFER = torch.zeros(3, 3)
IN_OPTIMIZER = [
    *((("optimizer", part), value) for part in ("state", "param_groups") for value in FEW),
    *((("optimizer", part), DROP) for part in ("state", "param_groups")),
    (("optimizer", "param_groups"), []),
    (("optimizer", "param_groups", 0), {}),
    (("optimizer", "param_groups", 0, "params"), [0]),
    *((("optimizer", "param_groups", 0, "lr"), value) for value in [*FEW, 1e308]),
    *((("optimizer", "param_groups", 0, "momentum"), value) for value in [*FEW, DROP, 0.5]),
    (("optimizer", "param_groups", 0, "weight_decay"), torch.zeros(1)),
    *((("optimizer", "state", 0), value) for value in [*FEW, {}, None]),
    (("optimizer", "state"), {}),
    (("optimizer", "state", 0), DROP),
    (("optimizer", "state", 10**6), {}),
    (("optimizer", "param_groups", 0, "params"), [BUFFER] * 62),
    (("optimizer", "state", "x"), {}),
    *((("optimizer", "state", 0, "momentum_buffer"), v) for v in [*FEW, None, BUFFER]),
    (("optimizer", "state", 0, "more"), BUFFER),
]


@pytest.mark.parametrize(("path", "value"), IN_OPTIMIZER)
def test_what_is_wrong_within_the_optimizer_is_refused(
    experiment: Experiment, states: list[dict[str, Any]], path: tuple[Any, ...], value: object
) -> None:
    with pytest.raises(UserError, match=rf"does not belong to this run \(its {path[0]}\)"):
        check_state(changed(states[1], path, value), experiment)


@pytest.mark.parametrize("opt", ["adamw", "lamb", "lion", "adafactor", "rmsprop", "nadamw"])
def test_states_of_any_optimizer_are_their_own(opt: str) -> None:
    experiment = prepare(from_settings(SETTINGS | {"opt": opt, "lr": "0.001", "epochs": "2"}))
    trainer = trainer_of(experiment)
    for epoch in trainer:
        state = whole(copy.deepcopy(trainer.state()))
        check_state(state, experiment)
        entry = state["trainer"]["optimizer"]["state"].get(0, {})
        for wrong in (-1, math.nan, 1e30) if epoch.epoch and "step" in entry else ():
            kept = entry["step"]
            entry["step"] = torch.full_like(kept, wrong) if torch.is_tensor(kept) else wrong
            with pytest.raises(UserError, match="its optimizer"):
                check_state(state, experiment)
            entry["step"] = kept


def test_probes_are_those_of_layers(experiment: Experiment, states: list[dict[str, Any]]) -> None:
    name = experiment.layers[0].name
    probe = {
        "weight": torch.zeros(4, 10, dtype=torch.float64),
        "bias": torch.zeros(10, dtype=torch.float64),
        "classes": torch.arange(10, dtype=torch.uint8),
        "mean": torch.zeros(4, dtype=torch.float64),
        "scale": torch.ones(4, dtype=torch.float64),
    }
    trainer = states[1]["trainer"]
    check_state(whole(trainer, {name: probe}), experiment)
    wrong = [
        {"no layer": probe},
        {name: {**probe, "more": probe["bias"]}},
        {name: {part: array for part, array in probe.items() if part != "bias"}},
        *({name: probe | {part: torch.zeros(3)}} for part in probe),
        *({name: probe | {part: 1.0}} for part in probe),
        {name: probe | {"classes": torch.full((10,), 10)}},
        {name: probe | {"classes": torch.full((10,), -5)}},
        {name: probe | {"classes": torch.zeros(10, dtype=torch.complex64)}},
        {name: probe | {0: probe["bias"]}},
        {name: probe | {"weight": torch.zeros(4, 10)}},
    ]
    for probes in wrong:
        with pytest.raises(UserError, match="its recorder"):
            check_state(whole(trainer, probes), experiment)


def first_order_optimizers() -> list[str]:
    """Return one name for each of timm's classes that run on the CPU and compile nothing."""
    names: dict[Any, str] = {}
    for name in map(str, timm.optim.list_optimizers()):
        info = timm.optim.get_optimizer_info(name)
        if not (info.second_order or name.startswith(("bnb", "fused", "kron"))):
            names.setdefault(info.opt_class, name)
    return sorted(names.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", first_order_optimizers())
def test_the_saved_states_of_all_optimizers_are_their_own(name: str) -> None:
    settings = SETTINGS | {"opt": name, "lr": "0.0001", "epochs": "2", "train_size": "64"}
    experiment = prepare(from_settings(settings))
    trainer = trainer_of(experiment)
    kept: list[bytes] = []
    trainer.after_step = lambda: kept.append(state_file.encode(whole(trainer.state())))
    for _ in trainer:
        pass
    for content in (kept[0], kept[-1]):
        check_state(state_file.decode(content), experiment)
