"""A training run's progress in words."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from repdyn.display.live import progress, speed, worries
from repdyn.display.preview import preview_of
from repdyn.records import Curve, Phases, RunRecord
from tests.support import synthetic

NOW = 1_700_000_000_000


def training(values: list[float], seconds: list[float], **changes: object) -> RunRecord:
    """A run that trains, with its loss, and how many seconds ago each value was logged."""
    times = np.array([NOW - 1000 * ago for ago in seconds], dtype=np.int64)
    curve = Curve(np.arange(1, len(values) + 1), np.array(values), times)
    given: dict[str, object] = {"status": "RUNNING", "ended": None} | changes
    return RunRecord(synthetic.summary(**given), None, {"train/loss": curve}, Phases(), {})


def minutely(count: int, last: float = 0.0) -> list[float]:
    return [last + 60.0 * i for i in reversed(range(count))]


def test_speed_and_time_left_are_of_the_last_epochs() -> None:
    slow = [36_000.0 + 3600 * i for i in reversed(range(20))]
    run = training([1.0] * 40, [*slow, *minutely(20)])
    assert progress(run, NOW) == "epoch 40/200 · 1 epoch/min · about 2 h left"


def test_a_preview_tells_the_pace_of_a_run_that_trains() -> None:
    now = time.time() * 1000
    curve = Curve(
        np.arange(1, 41), np.ones(40), np.array([now - 60_000 * ago for ago in range(39, -1, -1)])
    )
    run = replace(training([1.0] * 40, minutely(40)), curves={"train/loss": curve})
    assert preview_of(run).pace == "1 epoch/min · about 2 h left"
    ended = replace(run, summary=replace(run.summary, status="FINISHED"))
    assert preview_of(ended).pace == ""


def test_a_finished_run_has_nothing_left() -> None:
    run = training([1.0] * 40, minutely(40), status="FINISHED")
    assert progress(run, NOW) == "epoch 40/200"


def test_the_last_epoch_leaves_nothing() -> None:
    assert "left" not in progress(training([1.0] * 200, minutely(200)), NOW)


def test_without_times_or_total_it_says_what_is_known() -> None:
    run = training([1.0] * 9, minutely(9), params={})
    assert progress(run, NOW) == "epoch 9 · 1 epoch/min"
    curve = replace(run.curves["train/loss"], times=None)
    assert progress(replace(run, curves={"train/loss": curve}), NOW) == "epoch 9"
    assert progress(replace(run, curves={}), NOW) == "epoch 0"


@pytest.mark.parametrize(
    ("per_second", "unit", "words"),
    [
        (1_234_567.0, "tokens", "1.23M tokens/s"),
        (3.2, "step", "3.2 steps/s"),
        (0.5, "epoch", "30 epochs/min"),
        (1 / 720, "epoch", "12 min/epoch"),
    ],
)
def test_speeds_in_words(per_second: float, unit: str, words: str) -> None:
    assert speed(per_second, unit) == words


def test_a_run_that_logs_no_longer_has_no_time_left_but_a_worry() -> None:
    run = training([1.0] * 40, minutely(40, last=7200.0))
    assert progress(run, NOW) == "epoch 40/200"
    assert worries(run, NOW) == ["no news for 2 h"]


def test_a_loss_that_is_no_number_is_a_worry_since_it_is_none() -> None:
    run = training([1.0] * 20 + [float("nan")] * 3, minutely(23))
    assert worries(run, NOW) == ["train/loss is nan since 21"]
    assert worries(training([float("nan")] * 3, minutely(3)), NOW) == ["train/loss is nan since 1"]


def test_a_loss_that_just_rose_is_a_worry() -> None:
    assert worries(training([1.0, 1.1] * 10 + [8.0], minutely(21)), NOW) == [
        "train/loss rose to 8 at 21"
    ]
    assert worries(training([1.0, 1.1] * 10 + [8.0] + [1.0] * 9, minutely(30)), NOW) == []


def test_only_a_run_that_trains_is_worried_about() -> None:
    run = training([float("nan")] * 3, minutely(3), status="FINISHED")
    assert worries(run, NOW) == []
