"""The phases of a run as bands on the tick line: tinted, or made of glyphs without colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from repdyn.records import Phases
from tui.widgets.colormap import is_colourful

CLASSES = ("phase--learning", "phase--memorising", "phase--fitted")
"""Component classes with which a widget with an epoch axis colours the bands."""

CSS = """
        & > .phase--learning { background: $primary-muted; color: $text-primary; }
        & > .phase--memorising { background: $warning-muted; color: $text-warning; }
        & > .phase--fitted { background: $success-muted; color: $text-success; }
"""

GLYPHS = "·▒━"
"""What fills the bands without colours."""

LEARNING, MEMORISING, FITTED = range(3)


@dataclass(frozen=True)
class Band:
    """A phase: its name, which of the three kinds it is, and its first epoch."""

    name: str
    kind: int
    first: int


def phase_bands(phases: Phases) -> tuple[Band, ...]:
    """Return the phases into which the known boundaries divide a run; none without boundaries."""
    onset, fit = phases.onset, phases.fit
    if fit is not None and onset is not None and onset >= fit:
        onset = None
    if onset is None and fit is None:
        return ()
    bands = [Band("before onset" if onset is not None else "before fit", LEARNING, 0)]
    if onset is not None:
        bands.append(Band("memorisation", MEMORISING, onset))
    if fit is not None:
        bands.append(Band("after fit", FITTED, fit))
    return tuple(bands)


def phase_at(phases: Phases, epoch: int) -> str:
    """Return which phase an epoch is in, in words; nothing if no boundary is known."""
    begun = [band.name for band in phase_bands(phases) if band.first <= epoch]
    return begun[-1] if begun else ""


def banded(
    line: str, starts: Sequence[int], bands: Sequence[Band], widget: Widget
) -> list[Segment]:
    """Return a line of ticks with the bands behind it.

    Args:
        line: of ticks, as wide as the axis.
        starts: the bands' first columns.
        bands: in order.
        widget: with CLASSES among its component classes.
    """
    ends = [*starts[1:], len(line)]
    return [
        Segment(filled(line[start:end], band, widget), style_of(band, widget))
        for band, start, end in zip(bands, starts, ends, strict=True)
        if end > start
    ]


def filled(text: str, band: Band, widget: Widget) -> str:
    """Return a text with its gaps filled by the band's glyph if a tint would not be visible."""
    return text if is_colourful(widget.app) else text.replace(" ", GLYPHS[band.kind])


def style_of(band: Band, widget: Widget) -> Style:
    """Return the style of a band."""
    return widget.get_component_rich_style(CLASSES[band.kind])


def legend(bands: Sequence[Band], widget: Widget) -> Text:
    """Return the legend of the bands, on one line."""
    text = Text(no_wrap=True)
    for band in bands:
        text.append("   " if text else "")
        text.append(filled("  ", band, widget), style_of(band, widget)).append(f" {band.name}")
    return text
