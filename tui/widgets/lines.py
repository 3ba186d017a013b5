"""What widgets that are drawn line by line have in common."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget


class Lines(Widget):
    """A widget drawn line by line (Textual's Line API)."""

    _base: Style | None = None

    @property
    def base(self) -> Style:
        """Style of the text and its background, `rich_style`.

        Textual recomputes it from the styles of all enclosing widgets on every access; here it is
        recomputed only when one of them has changed.
        """
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def notify_style_update(self) -> None:
        """Recompute the styles after a theme or class has changed."""
        self._base = None
        super().notify_style_update()
