"""Names of layers in little room: cut between their parts, never within a word."""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from repdyn.display.wording import ending

_PART = re.compile(r"[^._/]+[._/]*")

MISSING = "…"


def shortened(names: Sequence[str], room: int) -> tuple[str, ...]:
    """Return names that fit, in order; those that are too long lose parts (`blocks.3.mlp` → `…mlp`).

    The leading parts that all names share go first. Then a name keeps its last parts, or its first
    and its last ones where its last ones alone are those of another name. A single word that is too
    long keeps its end.
    """
    if all(len(name) <= room for name in names):
        return tuple(names)
    shared = _shared(names)
    bare = [name[shared:] for name in names]
    tails = [_tail(name, room) for name in bare]
    doubled = {tail for tail, count in Counter(tails).items() if count > 1}
    return tuple(
        _ends(name, room) or tail if tail in doubled else tail
        for name, tail in zip(bare, tails, strict=True)
    )


def least_room(names: Sequence[str]) -> int:
    """Return the length of the longest of the names shortened to their last part."""
    if not names:
        return 0
    return max(min(len(name), len(name[_starts(name)[-1] :]) + 1) for name in names if name)


def _shared(names: Sequence[str]) -> int:
    """Return the length of the leading parts that all names share and that end at a dot or slash."""
    common = os.path.commonprefix([*names])  # noqa: RUF071 - of characters, cut at a dot below
    return max(common.rfind("."), common.rfind("/")) + 1


def _tail(name: str, room: int) -> str:
    return _longest((name, *(MISSING + name[i:] for i in _starts(name)[1:])), room) or ending(
        name, room
    )


def _ends(name: str, room: int) -> str:
    """Return the first and the last parts of a name; nothing if no two parts fit."""
    starts = _starts(name)[1:]
    pairs = [(i, j) for i in starts for j in starts if i < j]
    return _longest((name[:i].rstrip("._/") + MISSING + name[j:] for i, j in pairs), room)


def _starts(name: str) -> list[int]:
    return [part.start() for part in _PART.finditer(name)]


def _longest(texts: Iterable[str], room: int) -> str:
    return max((text for text in texts if len(text) <= room), key=len, default="")
