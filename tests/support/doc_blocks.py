"""The command and code blocks of README.md and docs/, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
LANGUAGES = ("bash", "console", "python", "sh", "shell")

_FENCE = re.compile(r"^ *```(\w*)")
_MARK = re.compile(r"<!-- not run: (.+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        place: `README.md:14`, the page and the line of its fence.
        reason: why it is not run, as the comment above it says; none if it is to be.
    """

    place: str
    language: str
    text: str
    reason: str | None = None

    def commands(self) -> list[list[str]]:
        """Return the words of each command; none of a block of Python."""
        if self.language == "python":
            return []
        lines = re.sub(r"\\\n\s*", " ", self.text).splitlines()
        if self.language == "console":
            lines = [line.strip()[2:] for line in lines if line.strip().startswith("$ ")]
        return [command for line in lines for command in _split(line)]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in these languages."""
    reason, language, first, text = None, None, 0, list[str]()
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and language is None:
            language, first, text = fence[1], number, []
        elif fence and language is not None:
            if language in LANGUAGES:
                place = f"{page.relative_to(ROOT)}:{first}"
                yield Block(place, language, "\n".join(text), reason)
            reason = language = None
        elif language is not None:
            text.append(line)
        elif line.strip():
            mark = _MARK.search(line)
            reason = mark[1] if mark else None


def all_blocks() -> list[Block]:
    """Return the blocks of all pages."""
    return [block for page in PAGES if "_build" not in page.parts for block in blocks(page)]


def _split(line: str) -> list[list[str]]:
    """Return the commands that operators of the shell separate, programs without their folder."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.commenters = "#"
    words.wordchars += "%@:+,[]{}$!^…"
    commands: list[list[str]] = [[]]
    for word in words:
        if re.fullmatch(r"[;&|()<>]+", word):
            commands.append([])
        else:
            commands[-1].append(word)
    return [[words[0].rpartition("/")[2] or words[0], *words[1:]] for words in commands if words]
