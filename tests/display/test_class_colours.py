"""The colours of classes can be told apart, whatever colours the reader sees."""

import numpy as np
import pytest

from repdyn.display.class_colours import CLASS_COLOURS, SHARED_GREYS
from tests.support.colour_vision import VISION, distance, seen

APART = 10.0
"""Of CIEDE2000: some ten times what is just noticeable side by side, so visible across a legend."""


@pytest.mark.parametrize("vision", VISION)
def test_ten_classes_are_told_apart_by_dichromats_too(vision: str) -> None:
    colours = seen(CLASS_COLOURS, vision)
    assert len(colours) == 10
    first, second = np.triu_indices(len(colours), 1)
    assert distance(colours[first], colours[second]).min() >= APART


@pytest.mark.parametrize("vision", VISION)
def test_a_class_of_its_own_colour_is_told_from_the_greys_of_all_others(vision: str) -> None:
    colours, greys = seen(CLASS_COLOURS, vision), seen(SHARED_GREYS, vision)
    assert distance(colours[:, None], greys[None]).min() >= APART


def test_a_palette_of_red_and_green_fails_in_simulation() -> None:
    red, green = "#d62728", "#2ca02c"
    at = {vision: distance(*seen([red, green], vision)) for vision in VISION}
    assert at["normal"] > 5 * at["deuteranopia"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
    ],
)
def test_the_distance_is_that_of_the_published_test_data(
    one: tuple[float, ...], other: tuple[float, ...], expected: float
) -> None:
    """Sharma, Wu & Dalal 2005, table 1."""
    assert distance(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)
