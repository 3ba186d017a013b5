"""What is told of a watched run, and when."""

from __future__ import annotations

import math
import sys

import pytest

from repdyn.records import RunSummary
from tests.support import synthetic
from tui.watch import TOLD, WATCHED, Watched, Watches


def training(epoch: int = 0, **metrics: float) -> RunSummary:
    values = {name.replace("_", "/"): value for name, value in metrics.items()}
    tags = {"repdyn.last_checkpoint": str(epoch)}
    return synthetic.summary(status="RUNNING", ended=None, metrics=values, tags=tags)


def ended(status: str = "FINISHED", **changes: object) -> RunSummary:
    return synthetic.summary(status=status, **changes)


def told(runs: list[RunSummary], seconds: float = 3.0) -> list[str]:
    """Return what is told of a run that is read every so many seconds."""
    watched = Watched(runs[0], 0.0)
    return [line for i, run in enumerate(runs) for line in watched.observe(run, seconds * i)]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("FINISHED", "finished after 4 min, test accuracy .872"),
        ("FAILED", "failed after 4 min"),
        ("KILLED", "was stopped"),
        ("DIED", "its process is gone"),
    ],
)
def test_the_end_is_told_once(status: str, said: str) -> None:
    watches = Watches()
    run = training()
    watches.toggle(run, 0.0)
    over = {run.run_id: ended(status)}
    assert said in watches.observe(over, 3.0)[run.run_id][0]
    assert watches.observe(over, 6.0) == {}
    assert watches.waiting() == []


def test_a_run_that_goes_on_as_before_is_not_told_of() -> None:
    assert told([training(i, train_loss=1 / (i + 1)) for i in range(50)]) == []


def test_a_loss_that_is_no_number_is_told_once() -> None:
    runs = [training(i, train_loss=1.0 if i < 3 else math.nan) for i in range(9)]
    assert told(runs) == ["train/loss is nan"]


@pytest.mark.parametrize("value", [math.inf, sys.float_info.max])
def test_a_loss_that_is_infinite_from_the_start_is_told(value: float) -> None:
    assert told([training(i, loss=value) for i in range(3)]) == ["loss is infinite"]


def test_a_metric_that_never_was_a_number_is_not_told() -> None:
    assert told([training(i, train_acc=math.nan, x=float(i)) for i in range(9)]) == []


def test_a_loss_that_jumps_is_told_once_for_each_jump() -> None:
    values = [1.0, 0.9, 1.1, 1.0, 0.9, 1.0, 8.0, 8.5, 1.0, 0.9, 1.1, 9.0]
    lines = told([training(i, train_loss=value) for i, value in enumerate(values)])
    assert lines == ["train/loss rose to 8 from 1", "train/loss rose to 9 from 1.1"]


def test_a_run_stalls_by_its_own_pace() -> None:
    paced = [training(i) for i in range(8)]
    quick = [*paced, *[paced[-1]] * 30]
    assert told(quick, seconds=3.0) == ["no news for 1 min"]
    assert told([*paced, *[paced[-1]] * 5], seconds=600.0) == []


def test_a_run_that_logs_again_may_stall_again() -> None:
    paced = [training(i) for i in range(8)]
    stall = [paced[-1]] * 30
    again = [training(i) for i in range(8, 30)]
    lines = told([*paced, *stall, *again, *[again[-1]] * 90])
    assert len(lines) == 2


def test_of_a_run_that_never_logs_ten_minutes_are_a_stall() -> None:
    assert told([training()] * 300) == ["no news for 10 min"]


def test_a_heartbeat_is_no_news() -> None:
    beats = [
        synthetic.summary(status="RUNNING", ended=None, tags={"repdyn.heartbeat": str(i)})
        for i in range(300)
    ]
    assert told(beats) == ["no news for 10 min"]


def test_signs_tell_what_is_watched_and_what_was_told() -> None:
    watches = Watches()
    run = training()
    assert watches.toggle(run, 0.0)
    assert watches.signs() == {run.run_id: WATCHED}
    watches.observe({run.run_id: ended()}, 3.0)
    assert watches.signs() == {run.run_id: TOLD}
    assert not watches.toggle(run, 6.0)
    assert watches.signs() == {}


def test_foreign_names_are_harmless() -> None:
    odd = "\x1b]9;x\a/loss"
    run = synthetic.summary(status="RUNNING", ended=None, metrics={odd: math.nan})
    assert all("\x1b" not in line for line in told([run, run]))
