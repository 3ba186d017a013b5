"""How the heatmaps of a screen are coloured: what the colours span, which map, what is grey."""

from __future__ import annotations

from tui.screens.epochs_screen import EpochsScreen
from tui.screens.view_state import next_scale
from tui.widgets.colormap import SEQUENTIAL


class ColouredScreen(EpochsScreen):
    """A screen of heatmaps over epochs."""

    def action_scale(self) -> None:
        """Switch what the colours span."""
        self.look_at(scale=next_scale(self._look.scale, self._look.measure))

    def action_blurred(self) -> None:
        """Grey the cells that differ from their neighbours within their error, or not."""
        self.look_at(blurred=not self._look.blurred)

    def action_colours(self) -> None:
        """Switch to the next colour map."""
        at = SEQUENTIAL.index(self._look.cmap)
        self.look_at(cmap=SEQUENTIAL[(at + 1) % len(SEQUENTIAL)])
