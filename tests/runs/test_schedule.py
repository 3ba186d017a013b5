from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.errors import UserError
from repdyn.runs.schedule import CHECKPOINTS, Schedule
from repdyn.training.checkpoint_epochs import checkpoint_epochs


def taken(schedule: Schedule, offered: list[int]) -> list[int]:
    found = []
    for step in offered:
        if schedule.takes(step):
            found.append(step)
            schedule.took(step)
    return found


@given(
    due=st.lists(st.integers(0, 60), min_size=1, max_size=12),
    offered=st.sets(st.integers(0, 80), max_size=40).map(sorted),
)
def test_the_first_step_at_or_after_each_due_one_is_taken(
    due: list[int], offered: list[int]
) -> None:
    places = (bisect_left(offered, step) for step in due)
    assert taken(Schedule(due, None), offered) == sorted(
        {offered[place] for place in places if place < len(offered)}
    )


@given(steps=st.integers(1, 500), count=st.integers(2, 80))
def test_a_loop_that_offers_every_step_gets_the_log_spaced_ones(steps: int, count: int) -> None:
    found = taken(Schedule(count, steps), list(range(steps + 1)))
    assert found == list(checkpoint_epochs(steps, count))


def test_by_default_sixty_of_a_known_length_or_all() -> None:
    assert len(taken(Schedule(None, 10_000), list(range(10_001)))) == CHECKPOINTS
    assert taken(Schedule(None, None), [0, 3, 4]) == [0, 3, 4]


def test_a_resumed_loop_may_repeat_steps() -> None:
    schedule = Schedule(None, None)
    schedule.resume_after(3)
    assert taken(schedule, [0, 1, 2, 3, 4, 5]) == [4, 5]
    with pytest.raises(UserError, match="epoch 4 comes after 5"):
        schedule.takes(4)
    assert not schedule.takes(2)


def test_the_step_left_over_is_the_last_one_that_was_not_due() -> None:
    schedule = Schedule([0, 10], None)
    assert schedule.left_over is None
    taken(schedule, [0, 4])
    assert schedule.left_over == 4
    taken(schedule, [10])
    assert schedule.left_over is None
