from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from repdyn.checkpoints import Checkpoint, CheckpointSource, from_pairs
from repdyn.errors import UserError


def pairs(*steps: int) -> list[tuple[int, dict[str, Tensor]]]:
    return [(step, {"w": torch.tensor(float(step))}) for step in steps]


def steps_read(source: CheckpointSource) -> list[tuple[int, float]]:
    return [(one.step, one.weights["w"].item()) for one in source]


def test_pairs_are_a_source() -> None:
    source = from_pairs(pairs(0, 2, 5), unit="epoch")

    assert source.steps == (0, 2, 5)
    assert source.unit == "epoch"
    assert source.metrics == {}
    assert steps_read(source) == [(0, 0.0), (2, 2.0), (5, 5.0)]


def test_a_generator_is_read_lazily() -> None:
    read = []

    def generated() -> Iterator[tuple[int, dict[str, Tensor]]]:
        for step, weights in pairs(0, 2, 5):
            read.append(step)
            yield step, weights

    checkpoints = iter(from_pairs(generated(), steps=[0, 2, 5]))

    assert read == []
    next(checkpoints)
    assert read == [0]


def test_only_some_checkpoints() -> None:
    source = from_pairs(pairs(0, 2, 5))

    assert steps_read(source.only([5, 0])) == [(0, 0.0), (5, 5.0)]
    with pytest.raises(UserError, match="pairs: has no checkpoint of step 3"):
        source.only([0, 3])


def test_checkpoints_that_were_not_wanted_are_not_read() -> None:
    read = []

    def reader(steps: object) -> Iterator[Checkpoint]:
        assert isinstance(steps, tuple)
        for step in steps:
            read.append(step)
            yield Checkpoint(step, {}, "")

    list(CheckpointSource((0, 1, 2), "step", "there", reader).only([1]))

    assert read == [1]


@pytest.mark.parametrize(
    ("given", "steps", "said"),
    [
        ([], None, "there are no checkpoints"),
        (iter(pairs(1)), None, "their steps are not known before they are read; give steps"),
        (pairs(2, 1), None, "step 1 comes after 2; sort them by step"),
        (pairs(1, 1), None, "step 1 comes after 1; sort them by step"),
    ],
)
def test_pairs_without_usable_steps(
    given: list[tuple[int, dict[str, Tensor]]], steps: list[int] | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        from_pairs(given, steps=steps)


def test_a_generator_that_lacks_a_step() -> None:
    checkpoints = iter(from_pairs(iter(pairs(1, 3)), steps=[1, 2]))

    assert next(checkpoints).step == 1
    with pytest.raises(UserError, match="step 2 is missing"):
        next(checkpoints)
