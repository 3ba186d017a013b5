"""The learning rate of each step, against torch's schedules."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from repdyn.settings.schema import OptimConfig
from repdyn.training.learning_rate import LearningRate

EPOCHS, STEPS = 7, 3


def of(**settings: object) -> list[float]:
    config = OptimConfig(lr=0.3, epochs=EPOCHS, **settings)  # type: ignore[arg-type]  # any of them
    rate = LearningRate(config, EPOCHS, STEPS)
    return [rate(epoch, step) for epoch in range(1, EPOCHS + 1) for step in range(STEPS)]


def by_torch(warmup: int, *, cosine: bool) -> list[float]:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.3)
    parts: list[torch.optim.lr_scheduler.LRScheduler] = []
    if warmup:
        # torch counts from the factor to 1 in one step less: ours reaches the rate at the last step
        parts.append(LinearLR(optimizer, 1 / warmup, total_iters=warmup - 1))
    if cosine:
        parts.append(CosineAnnealingLR(optimizer, EPOCHS * STEPS - warmup))
    else:
        parts.append(LinearLR(optimizer, 1.0))
    schedule = SequentialLR(optimizer, parts, milestones=[warmup] if warmup else [])
    rates = []
    for _ in range(EPOCHS * STEPS):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("warmup_epochs", [0, 1, 2, 6])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_rates_are_those_of_torchs_schedules(schedule: str, warmup_epochs: int) -> None:
    ours = of(schedule=schedule, warmup_epochs=warmup_epochs)
    theirs = by_torch(warmup_epochs * STEPS, cosine=schedule == "cosine")
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_without_a_warm_up_a_constant_rate_is_the_one_that_is_set() -> None:
    assert set(of()) == set(of(warmup_epochs=0)) == {0.3}
