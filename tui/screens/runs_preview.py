"""The preview beside the list: the row under the cursor in words and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Static

from repdyn.display.wording import boundary_marks
from repdyn.step_words import counted
from tui.screens.preview_text import group_lines, run_lines
from tui.screens.run_groups import Row

if TYPE_CHECKING:
    from repdyn.display.preview import Preview
    from tui.widgets.curves import Curves
    from tui.widgets.fingerprint import Fingerprint

LEAST_LABELS, MOST_LABELS = 9, 14
"""Columns left of the pictures."""

LEAST_PICTURE, LEAST_CURVES, MOST_CURVES = 4, 7, 20
"""Lines of the pictures, with their axes and legends."""

SAME = 5
"""Numbers of layers up to the same multiple of it leave the same lines for the curves."""

TEXT, HIGH = 15, 34
"""Lines that text above the pictures takes in a preview that is so high, even if it has fewer: the
pictures of one run then take the place of those of another, and only what differs is sent."""

LOW = 16
"""Lines of the preview below which its text has no blank ones."""


class RunPreview(Container):
    """The preview of a row of the list; `show` sets it."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._preview: Preview | None = None
        self._lines = 0
        self._show_again: Callable[[], None] | None = None

    def compose(self) -> ComposeResult:
        """Yield the text, and the place of the pictures, which are created when first shown."""
        yield Static("", classes="told")
        with Vertical(classes="drawn"):
            yield Static("", classes="what")

    def show(
        self,
        row: Row | None,
        preview: Preview | None,
        *,
        error: str = "",
        verdicts: Mapping[str, str] | None = None,
    ) -> None:
        """Show what is known of a row.

        Args:
            row: of the list; None to show nothing.
            preview: of its run, if it has been read.
            error: why its run cannot be read.
            verdicts: of a sweep, if they have been read.
        """
        self._show_again = partial(self.show, row, preview, error=error, verdicts=verdicts)
        lines: list[Text] = []
        if row is not None and (row.run is None or row.is_sweep):
            lines = group_lines(row, verdicts or {})
        elif row is not None and row.run is not None:
            width = self.query_one(".told").size.width or self.size.width
            lines = run_lines(row.run, preview, max(LEAST_LABELS, width), error)
        if self.size.height < LOW:
            lines = [line for line in lines if line]
        self._lines = len(lines)
        self.query_one(".told", Static).update(Text("\n").join(lines))
        if preview is not None and preview is not self._preview:
            self._draw(preview)
        self._preview = preview
        self._arrange()

    def on_resize(self) -> None:
        """Fit text and pictures to the new size."""
        self._preview = None
        if self._show_again is not None:
            self._show_again()

    def _draw(self, preview: Preview) -> None:
        from tui.widgets.phase_bands import phase_bands

        fingerprint, curves = self._pictures()
        data, group = preview.picture, preview.curves
        labels = max(LEAST_LABELS, min(MOST_LABELS, self.size.width // 4 + 1))
        curves.label_width = labels
        if data is not None:
            layers = counted(len(data.values), "layer")
            self.query_one(".what", Static).update(Text(f"{preview.title}, {layers}", "bold"))
            fingerprint.set_data(data, labels)
        if group is not None:
            with curves.prevent(curves.CursorMoved):
                curves.set_data(
                    {group.full(label): curve for label, curve in group.curves.items()},
                    columns=None if data is None else data.steps.tolist(),
                    low=0.0 if group.are_shares else None,
                    high=1.0 if group.are_shares else None,
                    markers=boundary_marks(preview.phases),
                    marker_lines=False,
                    bands=phase_bands(preview.phases),
                )
                curves.cursor = preview.last

    def _pictures(self) -> tuple[Fingerprint, Curves]:
        """Return the pictures; they need numpy, which the reader has imported for a preview."""
        from tui.widgets.curves import Curves
        from tui.widgets.fingerprint import Fingerprint

        drawn = self.query_one(".drawn")
        if not drawn.query(Fingerprint):
            curves = Curves()
            curves.can_focus = False
            drawn.mount(Fingerprint(), curves)
        return drawn.query_one(Fingerprint), drawn.query_one(Curves)

    def _arrange(self) -> None:
        """Share the height between text and pictures, of which the curves are at the bottom."""
        preview, drawn = self._preview, self.query_one(".drawn")
        drawn.display = preview is not None
        if preview is None:
            return
        told, height = self.query_one(".told"), self.size.height
        beside_text = self.styles.layout is not None and self.styles.layout.name == "horizontal"
        least = TEXT if height >= HIGH and not beside_text else 0
        told.styles.min_height = least
        left = height if beside_text else height - max(self._lines, least) - 1
        what, (fingerprint, curves) = self.query_one(".what"), self._pictures()
        layers = 0 if preview.picture is None else len(preview.picture.values)
        below = self._curves_height(left, layers) if preview.curves is not None else 0
        axis, room = int(not below), left - 1 - below
        most = 2 * layers if 2 * layers + axis <= room else layers
        picture = min(max(most + axis, LEAST_PICTURE), room)
        drawn.display = left >= LEAST_PICTURE
        what.display = fingerprint.display = layers > 0 and picture >= LEAST_PICTURE
        fingerprint.styles.height = picture
        fingerprint.show_axis(bool(axis))  # that of the curves has the same columns
        curves.display = below > 0
        curves.styles.height = below

    @staticmethod
    def _curves_height(left: int, layers: int) -> int:
        """Return the lines of the curves below a picture of layers, of which two may share a line."""
        about = -(-layers // SAME) * SAME
        least = max(LEAST_PICTURE, -(-layers // 2) + 1) + 1 if layers else 0
        below = min(max(LEAST_CURVES, left - about - 2), MOST_CURVES, left - least)
        return below if below >= LEAST_CURVES else 0
