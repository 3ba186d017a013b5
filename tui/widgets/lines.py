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

        That goes through the styles of all widgets around each time that it is asked for; here it
        does when one of them has changed.
        """
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def notify_style_update(self) -> None:
        """Look at the styles again, as a theme or a class has changed them."""
        self._base = None
        super().notify_style_update()
