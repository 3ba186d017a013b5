"""Checkpoints in order of their steps, each read when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from torch import Tensor

from repdyn.errors import UserError


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a model at one step.

    Args:
        step: at which they were saved.
        weights: by name, on the CPU; perhaps mapped from the file, so read them before the next.
        name: where they come from, for messages.
    """

    step: int
    weights: Mapping[str, Tensor]
    name: str


@dataclass(frozen=True)
class CheckpointSource:
    """The checkpoints of one training run; iterating reads them one by one.

    Args:
        steps: of the checkpoints, increasing.
        unit: of the steps: step, epoch.
        description: where they come from, on one line.
        read: yields the checkpoints of the given steps, in this order.
        metrics: training curves that were saved beside the checkpoints, by step, under the names
            `train/loss`, `test/loss`, `test/acc`; also of steps without a checkpoint.
    """

    steps: tuple[int, ...]
    unit: str
    description: str
    read: Callable[[Sequence[int]], Iterator[Checkpoint]] = field(repr=False)
    metrics: Mapping[int, Mapping[str, float]] = field(default_factory=dict, repr=False)

    def __iter__(self) -> Iterator[Checkpoint]:
        """Read the checkpoints, one at a time.

        Raises:
            UserError: a file is damaged, or is not a checkpoint.
        """
        return self.read(self.steps)

    def only(self, steps: Iterable[int]) -> CheckpointSource:
        """Return the source with these checkpoints alone; the others are never read.

        Raises:
            UserError: there is no checkpoint of a step.
        """
        wanted = sorted(set(steps))
        unknown = [step for step in wanted if step not in set(self.steps)]
        if unknown:
            raise UserError(f"{self.description}: has no checkpoint of {self.unit} {unknown[0]}")
        return replace(self, steps=tuple(wanted))


def from_pairs(
    pairs: Iterable[tuple[int, Mapping[str, Tensor]]],
    *,
    steps: Sequence[int] | None = None,
    unit: str = "step",
) -> CheckpointSource:
    """Make a source of your own pairs of a step and a state_dict.

    Args:
        pairs: in order of their steps; a generator is read lazily, and only once.
        steps: of the pairs; needed if they are not a sequence.
        unit: of the steps.

    Raises:
        UserError: there are none, the steps do not increase, or those of a generator are missing.
    """
    if steps is None:
        if not isinstance(pairs, Sequence):
            raise UserError("pairs: their steps are not known before they are read; give steps")
        steps = [step for step, _ in pairs]
    if not steps:
        raise UserError("pairs: there are no checkpoints")
    for before, after in pairwise(steps):
        if after <= before:
            raise UserError(f"pairs: {unit} {after} comes after {before}; sort them by {unit}")

    def read(wanted: Sequence[int]) -> Iterator[Checkpoint]:
        remaining = iter(pairs)
        for step in wanted:
            weights = next((weights for at, weights in remaining if at == step), None)
            if weights is None:
                raise UserError(
                    f"pairs: {unit} {step} is missing; pairs must be in order of {unit}"
                )
            yield Checkpoint(step, weights, f"{unit} {step}")

    return CheckpointSource(tuple(steps), unit, "pairs", read)
