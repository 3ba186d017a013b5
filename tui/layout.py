"""Layout: every widget is told its first size."""

from __future__ import annotations

from textual._compositor import Compositor, CompositorMap, ReflowResult
from textual.geometry import Size
from textual.widget import Widget


class CarefulCompositor(Compositor):
    """Compares a layout with the last one of which widgets were told.

    Textual (8.2) compares it with the last map of the screen. Anything that asks for a widget's region
    may have made that map anew since, new widgets included: these are then never sent a Resize, and what
    draws itself on it stays blank.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: CompositorMap = {}

    def reflow(self, parent: Widget, size: Size) -> ReflowResult:
        """Lay out; return the widgets to tell of it."""
        self._full_map = self._told
        result = super().reflow(parent, size)
        self._told = self._full_map
        return result

    def clear(self) -> None:
        """Forget all widgets, as the screen closes."""
        super().clear()
        self._told = {}
