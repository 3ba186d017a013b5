"""The footer: as many keys as fit, those that lead out of a screen always."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

ALWAYS = frozenset({"export", "back", "app.quit", "app.help", "app.commands"})
"""The actions whose keys are always shown; of the others, those that come first."""

GAPS, COMPACT_GAPS = 3, 2
"""Columns that a key takes beside its name and that of its action."""


@dataclass(frozen=True)
class Key:
    """A key, what it is called, and its action."""

    key: str
    name: str
    description: str
    action: str
    enabled: bool


class KeysFooter(Widget):
    """The keys of where one is; the others are in the help.

    One widget that draws a line: Textual's Footer has a widget for each key, and makes all of them anew
    whenever what can be done may have changed, which took as long as drawing did.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"footer--key", "footer--action", "footer--hover"}
    DEFAULT_CSS = """
    KeysFooter {
        dock: bottom;
        height: 1;
        color: $footer-foreground;
        background: $footer-background;
        pointer: pointer;
        .footer--key {
            color: $footer-key-foreground;
            background: $footer-key-background;
            text-style: bold;
        }
        .footer--action {
            color: $footer-description-foreground;
            background: $footer-description-background;
        }
        .footer--hover {
            color: $footer-key-foreground;
            background: $block-hover-background;
        }
    }
    """

    compact: reactive[bool] = reactive(False)
    """Leave out what space can be left out."""
    keys: reactive[tuple[Key, ...]] = reactive[tuple[Key, ...]]((), layout=False)
    """What is shown."""
    hovered: reactive[int | None] = reactive[int | None](None, layout=False)
    """The key under the mouse."""

    def on_mount(self) -> None:
        """Follow what can be done."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen:
            self.keys = self._fitting()

    def _fitting(self) -> tuple[Key, ...]:
        by_action: dict[str, Key] = {}
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if binding.show and binding.action not in by_action:
                name = self.app.get_key_display(binding)
                key = Key(binding.key, name, binding.description, binding.action, enabled)
                by_action[binding.action] = key
        keys = list(by_action.values())
        taken = sum(map(self._width, keys))
        for key in reversed(keys):
            if taken > self.app.size.width and key.action not in ALWAYS:
                taken -= self._width(key)
                keys.remove(key)
        return tuple(keys)

    def _width(self, key: Key) -> int:
        gaps = COMPACT_GAPS if self.compact else GAPS
        return len(key.name) + len(key.description) + gaps

    def render(self) -> Text:
        """Draw the keys."""
        name, action, hover = map(
            self.get_component_rich_style, ("footer--key", "footer--action", "footer--hover")
        )
        line = Text(no_wrap=True, overflow="crop", end="")
        for at, key in enumerate(self.keys):
            first = key.name if self.compact else f" {key.name} "
            second = f" {key.description}" if self.compact else f"{key.description} "
            drawn = Text.assemble((first, name), (second, action))
            if at == self.hovered:
                drawn.stylize(hover)
            if not key.enabled:
                drawn.stylize("dim")
            line.append_text(drawn)
            line.append(" " if self.compact else "")
        return line

    def _at(self, column: int) -> int | None:
        """Return which key a column belongs to."""
        end = 0
        for at, key in enumerate(self.keys):
            end += self._width(key)
            if column < end:
                return at
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Highlight the key under the mouse."""
        self.hovered = self._at(event.x)

    def on_leave(self) -> None:
        """Highlight none."""
        self.hovered = None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press the key."""
        at = self._at(event.x)
        if at is None:
            return
        if self.keys[at].enabled:
            self.app.simulate_key(self.keys[at].key)
        else:
            self.app.bell()
