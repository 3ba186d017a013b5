"""The footer: as many keys as fit, those that lead out of a screen always."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

ALWAYS = frozenset({"back", "app.quit", "app.help", "app.commands"})
"""The actions whose keys are always shown; of the others, those that come first."""

GAPS, COMPACT_GAPS = 3, 2
"""Columns that a key takes beside its name and that of its action."""


class KeysFooter(Footer):
    """The keys of where one is; the others are in the help."""

    def compose(self) -> ComposeResult:
        """Yield the keys that fit."""
        keys = list(super().compose())
        taken = sum(map(self._width, keys))
        for key in reversed(keys):
            fits = taken <= self.app.size.width
            if not fits and not (isinstance(key, FooterKey) and key.action in ALWAYS):
                taken -= self._width(key)
                keys.remove(key)
        yield from keys

    def _width(self, key: Widget) -> int:
        if not isinstance(key, FooterKey):
            return 0
        gaps = COMPACT_GAPS if self.compact else GAPS
        return len(key.key_display) + len(key.description) + gaps
