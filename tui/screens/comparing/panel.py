"""A heatmap of a run under what it is of."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from tui.widgets.colorbar import Colorbar
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap


class Panel(Vertical):
    """A run's settings above its heatmap; above a difference, what its colours mean."""

    def compose(self) -> ComposeResult:
        """Yield head and heatmap."""
        with Horizontal(classes="name"):
            yield FittedLine()
            yield Colorbar()
        yield Heatmap()

    def on_mount(self) -> None:
        """Show the colour bar only above a difference."""
        self.query_one(Colorbar).display = self.id == "difference"

    @property
    def heatmap(self) -> Heatmap:
        """The heatmap."""
        return self.query_one(Heatmap)

    def head(self, *versions: Text) -> None:
        """Write above the heatmap."""
        self.query_one(FittedLine).show(*versions)
