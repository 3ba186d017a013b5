"""What the screens compute themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repdyn.display import axis
from repdyn.display.similarity import similarity
from repdyn.display.wording import size
from repdyn.records import Curve, Phases
from tests.support.fakes import made
from tui.screens.layers import best_grid
from tui.screens.smoothing import smoothed
from tui.screens.view_state import Reference, ViewState, to_reference
from tui.widgets.phase_bands import phase_at


@pytest.mark.parametrize("window", [1, 5, 15])
def test_smoothed_is_the_mean_of_the_known_values_in_the_window(window: int) -> None:
    rng = np.random.default_rng(0)
    epochs = np.flatnonzero(rng.uniform(size=60) < 0.7)
    values = rng.normal(size=len(epochs))
    values[::7] = math.nan
    means = smoothed(Curve(epochs, values), window).values
    for epoch, mean in zip(epochs, means, strict=True):
        near = values[(abs(epochs - epoch) <= window // 2) & np.isfinite(values)]
        expected = near.mean() if len(near) else math.nan
        assert mean == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("count", [1, 2, 8, 11, 25])
@pytest.mark.parametrize("room", [(79, 19), (118, 36), (298, 96)])
def test_small_matrices_fit_beside_each_other(count: int, room: tuple[int, int]) -> None:
    columns, lines = best_grid(count, *room)
    assert columns * (2 * lines + 1) <= room[0]


def test_small_matrices_fit_below_each_other_where_there_is_room() -> None:
    columns, lines = best_grid(11, 118, 36)
    assert math.ceil(11 / columns) * (lines + 2) <= 36


@pytest.mark.parametrize(
    ("epoch", "words"),
    [(8, "before onset"), (9, "memorisation"), (28, "memorisation"), (29, "after fit")],
)
def test_the_phase_of_an_epoch(epoch: int, words: str) -> None:
    assert phase_at(Phases(onset=9, fit=29), epoch) == words


def test_no_phase_is_named_where_no_boundary_is_known() -> None:
    assert phase_at(Phases(), 5) == ""


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (999, "999 B"), (720_304, "720 kB"), (25_600_000, "25.6 MB")]
)
def test_sizes_in_words(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize("reference", ["last", "first", "cursor"])
def test_a_checkpoint_is_like_itself(reference: Reference) -> None:
    dynamics = made()[0].dynamics
    assert dynamics is not None
    shown = similarity(dynamics, "cka")
    look = ViewState(reference=reference, epoch=int(shown.steps[7]))
    itself = {"last": -1, "first": 0, "cursor": 7}[reference]
    assert to_reference(shown, look)[:, itself] == pytest.approx(1)


def test_the_nearest_checkpoint() -> None:
    epochs = np.array([0, 1, 5, 10, 100])
    assert [axis.nearest(epochs, epoch) for epoch in (0, 4, 99, None)] == [0, 2, 4, 4]
    assert axis.nearest(epochs, 40) == 4, "on the log axis 40 is nearer to 100 than to 10"
