"""A line of text in several versions, of which the longest that fits is shown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.widget import Widget

MORE = "…"


class FittedLine(Widget):
    """One line, set by `show`; never cut inside a word, so that no number becomes another."""

    DEFAULT_CSS = """
    FittedLine { width: 1fr; height: 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._versions: tuple[Text, ...] = (Text(),)

    def show(self, *versions: Text) -> None:
        """Show the first version that fits, else as many words of the last as do."""
        self._versions = versions
        self.refresh()

    @property
    def whole(self) -> Text:
        """The longest version."""
        return self._versions[0]

    def render(self) -> Text:
        """Return what fits."""
        return fitted(self._versions, self.size.width)


def fitted(versions: Sequence[Text], width: int) -> Text:
    """Return the first of some texts that fits, else as many words of the last as do."""
    shown = next((text for text in versions if text.cell_len <= width), None)
    return whole_words(versions[-1], width) if shown is None else shown


def both_ends(name: str, width: int) -> str:
    """Return a name that fits: of a long one its start and its end, where names of runs differ."""
    if cell_len(name) <= width:
        return name
    if width < 2:
        return MORE[:width]
    tail = name[max(1, len(name) - (width - 1) * 2 // 3) :]
    while cell_len(tail) > (width - 1) * 2 // 3:
        tail = tail[1:]
    head = set_cell_size(name, width - 1 - cell_len(tail)).rstrip()
    return f"{head}{MORE}{tail}"


def whole_words(text: Text, width: int) -> Text:
    """Return the words that fit and an ellipsis; numbers at the end, whose unit may follow, go too."""
    words = text.split(" ", allow_blank=True)
    kept = 0
    used = 0
    for count, word in enumerate(words, start=1):
        used += word.cell_len + 1
        if used + len(MORE) > width:
            break
        if word.plain and not any(character.isdigit() for character in word.plain):
            kept = count
    shown = Text(" ").join(words[:kept])
    shown.append(f" {MORE}" if kept else MORE)
    return shown
