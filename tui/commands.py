"""The command line: the actions that are available, each with its key."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from rich.markup import escape
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from tui import actions

PLACEHOLDER = "Find an action …"

SCREENS = frozenset({"runs", "run", "compare"})
"""The places of actions that are whole screens."""


class Command(NamedTuple):
    """An action as it is listed: title and key, what it does, and what runs it."""

    title: str
    help: str
    call: IgnoreReturnCallbackType


class ActionCommands(Provider):
    """The actions of what has the focus, of its screen and of the app, in this order."""

    async def discover(self) -> Hits:
        """Yield all actions."""
        for command in self._commands():
            yield DiscoveryHit(escape(command.title), command.call, command.title, command.help)

    async def search(self, query: str) -> Hits:
        """Yield the actions whose title, key or help match."""
        matcher = self.matcher(query)
        for command in self._commands():
            score = max(matcher.match(command.title), matcher.match(command.help) / 2)
            if score > 0:
                shown = matcher.highlight(command.title)
                yield Hit(score, shown, command.call, command.title, command.help)

    def _commands(self) -> Iterator[Command]:
        keys: dict[str, list[str]] = {}
        nodes = {}
        for active in self.screen.active_bindings.values():
            name = active.binding.id
            if name is not None and active.enabled:
                nodes[name] = active.node
                keys.setdefault(name, []).append(self.app.get_key_display(active.binding))
        for action in sorted(actions.ACTIONS, key=_breadth):
            if action.name in nodes:
                call = partial(self.app.run_action, action.call, nodes[action.name])
                yield Command(f"{action.title}  {' '.join(keys[action.name])}", action.help, call)


def _breadth(action: actions.Action) -> int:
    """Return 0 for an action of a view, 1 for one of a screen, 2 for one of the app."""
    return 2 if action.place == "app" else int(action.place in SCREENS)
