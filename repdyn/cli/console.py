"""The only place that creates consoles: what they print is safe for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from repdyn.cli.terminal import printable, visible


class SafeConsole(Console):
    """A console that escapes control characters; its own styles stay.

    Strings are escaped before layout, all other renderables after it.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a string into text, escaped."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments to print; those that hold rich's own codes stay as they are."""
        for part in super().render(renderable, options):
            if part.control:
                yield part
                continue
            style = part.style
            if style is not None and style.link is not None:  # of markup: its address is not shown
                style = style.update_link(None)
            yield Segment(visible(part.text), style)


def new_console(file: IO[str] | None = None) -> SafeConsole:
    """Return a console for standard output or a file; no text is interpreted as markup."""
    return SafeConsole(file=file, markup=False, highlight=False, emoji=False)
