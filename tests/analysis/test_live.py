"""How a training run is doing, of series whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repdyn.analysis.live import LEAST_SILENCE, is_loss, is_spike, longest_silence, rate


def test_the_rate_is_the_recent_one() -> None:
    slow = [60.0 * step for step in range(20)]
    fast = [slow[-1] + 2.0 * step for step in range(1, 21)]
    assert rate(range(40), [*slow, *fast]) == pytest.approx(0.5)


def test_a_pause_between_a_stop_and_a_resume_is_no_training() -> None:
    times = [2.0 * step + (86_400 if step > 35 else 0) for step in range(40)]
    assert rate(range(40), times) == pytest.approx(0.5)


def test_steps_that_are_logged_now_and_then_count_by_their_number() -> None:
    assert rate([0, 100, 200, 400], [0.0, 10.0, 20.0, 40.0]) == pytest.approx(10)


@pytest.mark.parametrize("times", [[], [5.0], [5.0, 5.0]])
def test_without_two_times_there_is_no_rate(times: list[float]) -> None:
    assert rate(range(len(times)), times) is None


def test_silence_is_measured_by_the_runs_own_pace() -> None:
    hourly = [3600.0 * i for i in range(8)]
    assert longest_silence(hourly) == pytest.approx(36_000)
    assert longest_silence([float(i) for i in range(8)]) == LEAST_SILENCE
    assert longest_silence([0.0, 1.0]) is None


def test_an_epoch_with_a_checkpoint_takes_longer_and_is_no_stall() -> None:
    with_checkpoint = [0.0, 10.0, 20.0, 30.0, 430.0, 440.0, 450.0]
    found = longest_silence(with_checkpoint)
    assert found is not None
    assert found > 400


def losses(count: int = 40, noise: float = 0.02) -> list[float]:
    rng = np.random.default_rng(3)
    return [2.3 * math.exp(-i / 12) + noise * abs(rng.normal()) for i in range(count)]


def test_a_loss_that_falls_with_noise_has_no_spikes() -> None:
    values = losses()
    assert not any(is_spike(values[:end]) for end in range(1, len(values) + 1))


def test_a_loss_that_jumps_is_a_spike() -> None:
    assert is_spike([*losses(), 1.5])
    assert not is_spike([*losses(), 0.09])


def test_a_rise_while_the_loss_falls_is_a_spike_only_above_what_it_was() -> None:
    assert not is_spike([2.3, 2.0, 1.7, 1.4, 1.1, 0.8, 0.85])
    assert is_spike([2.3, 2.0, 1.7, 1.4, 1.1, 0.8, 9.0])


@pytest.mark.parametrize("values", [[1.0], [1.0, 9.0], [*[1.0] * 9, math.nan]])
def test_of_few_values_or_none_nothing_is_said(values: list[float]) -> None:
    assert not is_spike(values)


def test_losses_are_known_by_name() -> None:
    assert is_loss("train/loss")
    assert is_loss("val/CrossEntropyLoss")
    assert not is_loss("loss_scale/lr")
