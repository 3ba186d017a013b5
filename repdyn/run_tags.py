"""The tags of a run as lines of text that a user edits; imports neither MLflow nor numpy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from repdyn.display.wording import plain
from repdyn.errors import UserError

NOTE = "mlflow.note.content"
"""The tag of a run's note, which MLflow's own page shows as its description."""

RESERVED = {"repdyn.": "repdyn", "mlflow.": "MLflow"}
"""Beginnings of the names of tags that are not the user's, and whose they are."""

LONGEST_NAME, LONGEST_VALUE = 250, 8000
"""What MLflow stores."""

_NAME = re.compile(r"[\w.\-:/ ]+")


@dataclass(frozen=True)
class TagChanges:
    """What is to change in a run's tags.

    Attributes:
        values: the tags that are set.
        removed: the names of those that are removed.
        note: the new note, empty to remove it; None leaves it.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    note: str | None = None

    def __bool__(self) -> bool:
        return bool(self.values or self.removed or self.note is not None)


def owner(name: str) -> str | None:
    """Return whose tag a name is if it is not the user's: repdyn or MLflow."""
    return next((whose for start, whose in RESERVED.items() if name.startswith(start)), None)


def editable(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the user's tags that a line can show; others are left alone."""
    return {
        name: value
        for name, value in sorted(tags.items())
        if owner(name) is None and plain(name) == name.strip() and plain(value) == value.strip()
    }


def as_lines(tags: Mapping[str, str]) -> str:
    """Return tags as `name=value` lines."""
    return "\n".join(f"{name}={value}" for name, value in tags.items())


def parse_lines(text: str) -> dict[str, str]:
    """Return the tags that `name=value` lines give; empty lines do not count.

    Raises:
        UserError: a line is not one, names a tag of repdyn's or MLflow's, or a name comes twice.
    """
    tags: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        why = _wrong(name, value) if equals and name else "write name=value"
        if name in tags:
            why = f"{name} is already on a line above"
        if why:
            raise UserError(f"tags, line {number}: {plain(why)}")
        tags[name] = value
    return tags


def _wrong(name: str, value: str) -> str:
    whose = owner(name)
    if name == NOTE:
        return "write the note in its own field"
    if whose is not None:
        return f"{name} is {whose}'s own tag, which it needs as it is"
    if not _NAME.fullmatch(name):
        return f"{name}: a name has letters, digits and . _ - : / only"
    if len(name) > LONGEST_NAME:
        return f"a name has at most {LONGEST_NAME} characters"
    if len(value) > LONGEST_VALUE:
        return f"a value has at most {LONGEST_VALUE:,} characters"
    return ""


def changes(
    before: Mapping[str, str], after: Mapping[str, str], note: tuple[str, str]
) -> TagChanges:
    """Return what turns tags into others, and the note.

    Args:
        before: the tags that the lines showed.
        after: those that they give now.
        note: before and after.

    Raises:
        UserError: the note is too long.
    """
    if len(note[1]) > LONGEST_VALUE:
        raise UserError(
            f"note: has {len(note[1]):,} characters; MLflow stores at most {LONGEST_VALUE:,}"
        )
    return TagChanges(
        {name: value for name, value in after.items() if before.get(name) != value},
        tuple(name for name in before if name not in after),
        None if note[0] == note[1] else note[1],
    )
