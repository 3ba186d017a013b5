"""The one place that makes consoles: what they print is safe for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from repdyn.cli.terminal import printable, visible


class SafeConsole(Console):
    """A console that writes out what would steer the terminal; its own styles stay.

    Strings are made printable before they are laid out; what else is rendered, after that.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a string into text, made printable."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the parts of what is printed; those that hold rich's own codes stay as they are."""
        for part in super().render(renderable, options):
            if part.control:
                yield part
                continue
            style = part.style
            if style is not None and style.link is not None:  # of markup: its address is not shown
                style = style.update_link(None)
            yield Segment(visible(part.text), style)


def new_console(file: IO[str] | None = None) -> SafeConsole:
    """Return a console of standard output, or of a file; no text is read as markup."""
    return SafeConsole(file=file, markup=False, highlight=False, emoji=False)
