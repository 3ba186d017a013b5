"""Whose weights are kept."""

import pytest

from repdyn.records import Phases
from repdyn.runs.retention import Keep, between_boundaries, most_kept, outdated

SAVED = (0, 1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    ("keep", "gone", "most"),
    [
        ("all", [], 7),
        ("phases", [], 7),
        ("last", [0, 1, 2, 4, 8, 16], 2),
        (3, [0, 1, 2, 4], 4),
        (50, [], 7),
    ],
)
def test_the_last_ones_stay(keep: Keep, gone: list[int], most: int) -> None:
    assert outdated(SAVED, keep) == gone
    assert most_kept(len(SAVED), keep) == most


def test_boundaries_keep_the_checkpoints_beside_them() -> None:
    phases = Phases(onset=5, fit=16, change_points=((1,),), joint=(9,))
    assert between_boundaries(SAVED, phases) == [1, 2]
    nothing = Phases(onset=None, fit=None, change_points=((),))
    assert between_boundaries(SAVED, nothing) == [1, 2, 4, 8, 16]
