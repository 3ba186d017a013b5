"""The phases of a run as bands on the tick line: tinted, or made of glyphs without colours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
        &:light > .phase--memorising, &:light > .phase--fitted { color: $foreground; }
"""

GLYPHS = "·▒━"
"""What fills the bands without colours."""

LEARNING, MEMORISING, FITTED = range(3)


SHORT = {
    "before onset": "before",
    "before fit": "before",
    "memorisation": "mem.",
    "after fit": "after",
}
"""The names of phases where there is little space."""


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
    line: str,
    starts: Sequence[int],
    bands: Sequence[Band],
    widget: Widget,
    names: Mapping[int, str] | None = None,
) -> list[Segment]:
    """Return a line of ticks with the bands behind it and their names in it.

    Args:
        line: of ticks, as wide as the axis.
        starts: the bands' first columns.
        bands: in order.
        widget: with CLASSES among its component classes.
        names: by their first column; None puts them where `places` does.
    """
    ends = [*starts[1:], len(line)]
    names = places(line, starts, bands) if names is None else names
    segments = []
    for band, start, end in zip(bands, starts, ends, strict=True):
        text = filled(line[start:end], band, widget)
        for at, name in names.items():
            if start <= at < end:
                text = f"{text[: at - start]}{name}{text[at - start + len(name) :]}"
        if text:
            segments.append(Segment(text, style_of(band, widget)))
    return segments


def places(line: str, starts: Sequence[int], bands: Sequence[Band]) -> dict[int, str]:
    """Return the bands' names by their first column, each with a blank on both sides.

    A name is in the middle of the widest gap between the ticks of its band; if it does not fit, its
    short form is, or nothing.
    """
    names = {}
    for band, start, end in zip(bands, starts, [*starts[1:], len(line)], strict=True):
        gaps = [match.span() for match in re.finditer(" +", line[start:end])]
        first, last = max(gaps, key=lambda gap: gap[1] - gap[0], default=(0, 0))
        for name in (band.name, SHORT.get(band.name, band.name)):
            if len(name) + 2 <= last - first:
                middle = start + first + (last - first - len(name)) // 2
                names[middle - 1] = f" {name} "
                break
    return names


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
