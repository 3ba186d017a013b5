"""The number of planes that a standard error takes, found from the first of them."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from repdyn.errors import SettingError
from repdyn.records import ClassArray
from repdyn.runs.enough_planes import (
    PILOT,
    check_drs_error,
    planes_needed,
    with_enough_planes,
)
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.observer import Observer
from repdyn.settings.text import from_settings

SETTINGS: dict[str, str | list[str]] = {
    "width": "0.0625",
    "epochs": "1",
    "checkpoints": "2",
    "planes": "90",
    "plane_kinds": "train",
    "grid": "3",
    "probe_images": "100",
    "probe_train": "100",
    "layers": "logits",
}


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return prepare(from_settings(SETTINGS))


class Told(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def notice(self, text: str) -> None:
        self.lines.append(f"notice: {text}")


def networks(experiment: Experiment) -> Iterator[tuple[int, nn.Module]]:
    """Yield different networks as if they were checkpoints."""
    for step in range(3):
        model = experiment.new_model()
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
        yield step, model


def plain_spread(maps: list[ClassArray], layers: list[int]) -> float:
    """Return the largest standard deviation over planes, by loops."""
    found = []
    for a, b in itertools.combinations(maps, 2):
        for layer in layers:
            shares = [
                sum(x == y for x, y in zip(p.ravel(), q.ravel(), strict=True)) / p.size
                for p, q in zip(a[layer], b[layer], strict=True)
            ]
            mean = sum(shares) / len(shares)
            found.append(math.sqrt(sum((s - mean) ** 2 for s in shares) / (len(shares) - 1)))
    return max(found)


@given(found=st.floats(0.001, 0.5), error=st.floats(0.001, 0.5))
def test_one_plane_fewer_would_not_do(found: float, error: float) -> None:
    n, deviation = planes_needed(found, error), found * math.sqrt(PILOT)
    assert deviation / math.sqrt(n) <= error * (1 + 1e-9)
    assert n == 1 or deviation / math.sqrt(n - 1) > error * (1 - 1e-9)


def test_the_number_follows_from_the_first_planes(experiment: Experiment) -> None:
    recorder = experiment.new_recorder()
    maps = []
    for step, model in networks(experiment):
        measured = recorder.measure(model, step).label_maps
        assert measured is not None
        maps.append(measured.maps[:, :PILOT])
    found = plain_spread(maps, [0, 1])
    error = found / math.sqrt(75.5)  # which takes 76 planes
    told = Told()
    chosen = with_enough_planes(experiment, error, networks(experiment), told)
    assert chosen.config.measure.planes == 76
    assert torch.equal(chosen.anchors.images, experiment.anchors.images[:76])
    assert len(chosen.anchors.kinds) == 76
    others = replace(chosen.config.measure, planes=90)
    assert replace(chosen.config, measure=others) == experiment.config
    assert told.lines[-1].startswith("76 planes")


@pytest.mark.parametrize(
    ("error", "planes", "said"), [(0.9, PILOT, "60 planes"), (1e-4, 90, "notice: 90")]
)
def test_there_are_no_fewer_than_the_first_and_no_more_than_given(
    error: float, planes: int, said: str, experiment: Experiment
) -> None:
    told = Told()
    chosen = with_enough_planes(experiment, error, networks(experiment), told)
    assert chosen.config.measure.planes == planes
    assert told.lines[-1].startswith(said)


@pytest.mark.parametrize("error", [0.0, -0.1, 1.0, math.nan, math.inf])
def test_errors_that_are_none_are_told(error: float, experiment: Experiment) -> None:
    with pytest.raises(SettingError, match=r"drs_error .*: must be above 0 and below 1"):
        check_drs_error(experiment, error)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"planes": "60"}, "give more `planes`"),
        ({"similarity": "cka"}, "needs `similarity regions`"),
    ],
)
def test_settings_without_a_choice_are_told(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingError) as raised:
        check_drs_error(prepare(from_settings(SETTINGS | settings)), 0.01)
    assert said in raised.value.marked
