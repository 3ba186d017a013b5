"""How cells share pixels, and where epochs and values lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from textual.widget import Widget

from repdyn.records import Phases
from tests.support.drawn import Stage, play
from tui.widgets.cell_spans import Bands, by_epoch, even, spread
from tui.widgets.epoch_axis import EpochAxis
from tui.widgets.phase_bands import SHORT, phase_bands, places, style_of
from tui.widgets.phase_rows import PhaseRows
from tui.widgets.value_axis import number, tick_label, tick_labels, value_axis


@pytest.mark.parametrize(("room", "count"), [(120, 4), (60, 3), (12, 1), (4, 0)])
def test_markers_are_named_where_their_names_fit(room: int, count: int) -> None:
    axis = EpochAxis.of_line(np.arange(201), room)
    markers = {"onset": 16, "fit": 55, "min": 17, "peak": 42}
    named, row = axis.named(markers), axis.markers(markers)
    assert len(named) == count
    assert named == [epoch for name, epoch in markers.items() if f"{name} {epoch}" in row]
    assert row.count("▲") == len({axis.column(epoch) for epoch in named})


EPOCHS = st.lists(st.integers(0, 500), min_size=1, max_size=80, unique=True).map(
    lambda epochs: np.array(sorted(epochs))
)
ROOM = st.integers(1, 300)


@given(st.integers(1, 490), st.integers(1, 9), st.integers(20, 80))
def test_labels_of_markers_in_one_column_are_in_the_order_of_their_epochs(
    first: int, apart: int, room: int
) -> None:
    """Whichever of them is the more important, and however many cells share a column."""
    epochs = np.arange(500)
    axis = EpochAxis.of_cells(epochs, by_epoch(epochs, room))
    for markers in (
        {"onset": first, "min": first + apart},
        {"min": first + apart, "onset": first},
    ):
        row = axis.markers(markers)
        if "onset" in row and "min" in row:
            assert row.index("onset") < row.index("min")


def consistent(bands: Bands) -> bool:
    """Whether each pixel shows a cell that lies on it, if cells need not share pixels."""
    return all(pixel in bands.span(int(cell)) for pixel, cell in enumerate(bands.shown))


@given(EPOCHS, ROOM)
def test_checkpoints_fill_the_room(epochs: np.ndarray, room: int) -> None:
    assert by_epoch(epochs, room).room == room


@given(EPOCHS, ROOM)
def test_every_checkpoint_has_a_pixel_within_the_room(epochs: np.ndarray, room: int) -> None:
    bands = by_epoch(epochs, room)
    assert np.all(bands.starts < bands.stops)
    assert bands.starts.min() >= 0
    assert bands.stops.max() <= room


@given(EPOCHS, ROOM)
def test_a_pixel_shows_the_checkpoint_that_lies_there(epochs: np.ndarray, room: int) -> None:
    bands = by_epoch(epochs, room)
    if len(epochs) <= room:
        assert consistent(bands)
        assert consistent(bands.flipped())
        assert consistent(bands.magnified(2))


@given(st.integers(2, 300), st.integers(2, 100))
def test_where_cells_outnumber_pixels_the_first_and_the_last_are_shown(
    cells: int, room: int
) -> None:
    shown = even(cells, min(cells, room)).shown
    assert (shown[0], shown[-1]) == (0, cells - 1)


def test_checkpoints_are_as_wide_as_on_the_log_epoch_axis_where_there_is_room() -> None:
    epochs = np.array([0, 1, 3, 7, 15])  # evenly spaced in ln(1 + epoch)
    bands = by_epoch(epochs, 100)
    assert (bands.stops - bands.starts).tolist() == [20] * 5


def test_even_bands_leave_what_does_not_divide() -> None:
    assert even(7, 20).starts.tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_spread_bands_fill_the_room_where_even_ones_leave_much() -> None:
    assert spread(24, 34).room == 34


def test_spread_bands_are_even_where_these_leave_little() -> None:
    assert spread(24, 50).room == 48


def test_flipped_bands_have_the_first_cell_last() -> None:
    flipped = even(3, 6).flipped()
    assert (flipped.shown.tolist(), list(flipped.span(0))) == ([2, 2, 1, 1, 0, 0], [4, 5])


@given(EPOCHS, st.integers(80, 300))
def test_a_checkpoint_lies_within_its_cell_on_the_axis(epochs: np.ndarray, room: int) -> None:
    bands = by_epoch(epochs, room)
    axis = EpochAxis.of_cells(epochs, bands)
    columns = [axis.column(epoch) for epoch in epochs.tolist()]
    assert all(column in bands.span(cell) for cell, column in enumerate(columns))


def test_an_epoch_between_checkpoints_lies_between_their_columns() -> None:
    epochs = np.array([0, 4, 9])
    axis = EpochAxis.of_cells(epochs, by_epoch(epochs, 60))
    assert axis.column(4) < axis.column(6) < axis.column(9)


def test_epochs_beyond_the_axis_have_no_place() -> None:
    epochs = np.array([0, 1, 2])
    axis = EpochAxis.of_cells(epochs, by_epoch(epochs, 30))
    assert np.isnan(axis.place([100]))


def test_a_line_axis_is_true_to_the_log_of_epochs() -> None:
    axis = EpochAxis.of_line(np.arange(100), 101)
    assert axis.place([0, 9, 99]) == pytest.approx([0, 50.25, 100.5])


def test_the_stop_at_a_column_is_the_epoch_nearest_to_it() -> None:
    axis = EpochAxis.of_line(np.array([0, 9, 99]), 100)
    assert [axis.stop_at(column) for column in (0, 30, 99)] == [0, 1, 2]


def test_ticks_label_round_epochs_on_their_columns() -> None:
    axis = EpochAxis.of_line(np.arange(201), 80)
    line = axis.ticks()
    assert line.split() == ["0", "1", "10", "100"]
    assert abs(line.index("10") - axis.column(10)) <= 1


def test_the_cursor_hides_the_ticks_that_it_would_touch() -> None:
    axis = EpochAxis.of_line(np.arange(201), 80)
    segments = axis.tick_segments(101, Style(), (), Widget(), Style())
    line = "".join(s.text for s in segments)
    assert line.split() == ["0", "1", "10", "101"]


@pytest.mark.parametrize(
    ("phases", "bands"),
    [
        (Phases(), []),
        (Phases(onset=8), [("before onset", 0), ("memorisation", 8)]),
        (Phases(fit=37), [("before fit", 0), ("after fit", 37)]),
        (
            Phases(onset=8, fit=37),
            [("before onset", 0), ("memorisation", 8), ("after fit", 37)],
        ),
        (Phases(onset=40, fit=37), [("before fit", 0), ("after fit", 37)]),
    ],
)
def test_known_boundaries_divide_a_run_into_phases(
    phases: Phases, bands: list[tuple[str, int]]
) -> None:
    assert [(band.name, band.first) for band in phase_bands(phases)] == bands


def test_bands_start_at_the_columns_of_their_epochs() -> None:
    axis = EpochAxis.of_line(np.arange(201), 80)
    starts = axis.starts(phase_bands(Phases(onset=8, fit=37)))
    assert starts == [0, axis.column(8), axis.column(37)]


def test_names_of_bands_are_whole_in_short_or_left_out() -> None:
    bands = phase_bands(Phases(onset=8, fit=37))
    words = {form for band in bands for form in (band.name, SHORT[band.name])}
    for room in range(10, 160):
        axis = EpochAxis.of_line(np.arange(201), room)
        starts = axis.starts(bands)
        line = axis.ticks().ljust(room)
        for at, name in places(line, starts, bands).items():
            assert name.strip() in words
            assert line[at : at + len(name)].isspace()
            band = max(start for start in starts if start <= at)
            assert at + len(name) <= min([start for start in starts if start > band] or [room])


def test_a_wide_axis_has_the_whole_names_in_their_bands() -> None:
    bands = phase_bands(Phases(onset=8, fit=37))
    axis = EpochAxis.of_line(np.arange(201), 120)
    starts = axis.starts(bands)
    found = places(axis.ticks().ljust(120), starts, bands)
    assert [name.strip() for name in found.values()] == [band.name for band in bands]
    assert [at >= start for at, start in zip(found, starts, strict=True)] == [True] * 3


def test_the_values_run_from_the_least_to_the_greatest() -> None:
    axis = value_axis(
        [np.array([2.0, 4.0]), np.array([3.0, np.nan])], None, None, logarithmic=False
    )
    assert axis.place(np.array([2.0, 3.0, 4.0])).tolist() == [0, 0.5, 1]


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios() -> None:
    axis = value_axis([np.array([0.01, 1.0])], None, None, logarithmic=True)
    assert axis.place(np.array([0.01, 0.1, 1.0])).tolist() == pytest.approx([0, 0.5, 1])


def test_a_logarithmic_axis_has_no_place_for_what_is_not_positive() -> None:
    axis = value_axis([np.array([0.0, 0.1, 1.0])], None, None, logarithmic=True)
    assert np.isnan(axis.place(np.array([0.0]))).all()


def test_equal_values_get_an_axis_around_them() -> None:
    axis = value_axis([np.full(3, 7.0)], None, None, logarithmic=False)
    assert axis.place(np.array([7.0])).tolist() == [0.5]


@given(
    st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6),
    st.floats(1e-3, 1e6),
    st.integers(2, 12),
)
def test_linear_ticks_lie_within_the_axis_and_are_not_too_many(
    low: float, span: float, most: int
) -> None:
    axis = value_axis([], low, low + span, logarithmic=False)
    ticks = axis.ticks(most)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)


def test_ticks_are_round() -> None:
    assert value_axis([], 0.0, 1.0, logarithmic=False).ticks(5) == pytest.approx(
        [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.9836, "0.984"), (12.5, "12.500"), (0.0, "0.000"), (3e-5, "3.0e-5"), (float("nan"), "–")],
)
def test_numbers_are_written_to_three_places_or_in_powers_of_ten(
    value: float, written: str
) -> None:
    assert number(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(0.5, ".5"), (-0.5, "-.5"), (1e-5, "1e-5"), (20, "20")]
)
def test_tick_labels_are_short(value: float, written: str) -> None:
    assert tick_label(value) == written


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
def test_words_in_the_bands_are_readable(theme: str) -> None:
    phases = Phases(onset=10, fit=50)

    async def scenario(stage: Stage[PhaseRows]) -> None:
        stage.pilot.app.theme = theme
        await stage.pilot.pause()
        for band in phase_bands(phases):
            style = style_of(band, stage.widget)
            assert style.color is not None
            assert style.bgcolor is not None
            light, dark = sorted(
                (luminance(c.get_truecolor()) for c in (style.color, style.bgcolor)), reverse=True
            )
            assert (light + 0.05) / (dark + 0.05) >= 4.5, band

    play(PhaseRows(), scenario)


@pytest.mark.parametrize(
    ("ticks", "written"),
    [
        ([0.0, 0.5, 1.0], ["0", ".5", "1"]),
        ([2.322, 2.324, 2.326], ["2.322", "2.324", "2.326"]),
        ([100.0, 100.5, 101.0], ["100", "100.5", "101"]),
        ([1000.0, 1000.5, 1001.0], ["1e3", "1e3", "1e3"]),  # there is no room for more
    ],
)
def test_labels_of_an_axis_have_the_digits_that_tell_them_apart(
    ticks: list[float], written: list[str]
) -> None:
    assert tick_labels(ticks) == written
