"""Names of runs shortened so that what differs is kept, and what they have in common goes first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rich.cells import cell_len

Parts = tuple[str, ...]

Shown = dict[int, list[str]]
"""What is shown of each run, by the place of the part."""

WORD = re.compile(r"[\s_/,=:;+-]*[^\s_/,=:;+-]+")
"""A word of a part with what separates it from the one before; a number is one word."""

MORE = "…"


def told_apart(runs: Sequence[Sequence[str]], room: int, joint: str) -> list[str]:
    """Return a text for each run, at most `room` columns wide.

    Parts that all runs share are left out before those that differ are shortened to their first words
    that tell them apart. A text is empty where not even those fit.

    Args:
        runs: parts of each run's name.
        room: columns.
        joint: between parts.
    """
    texts = shortened(runs, joint, lambda texts: max(map(cell_len, texts)) <= room)
    return [text if cell_len(text) <= room else "" for text in texts]


def shortened(
    runs: Sequence[Sequence[str]], joint: str, fit: Callable[[Sequence[str]], bool]
) -> list[str]:
    """Return a text for each run, no shorter than it takes to fit, nor than tells the runs apart.

    Args:
        runs: parts of each run's name.
        joint: between parts.
        fit: whether texts fit.
    """
    columns = list(zip(*_aligned([tuple(parts) for parts in runs], joint), strict=True))
    differing = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    shown = {i: shortest(columns[i]) for i in differing}
    for i in differing:
        longer = {**shown, i: list(columns[i])}
        shown = longer if fit(_texts(longer, joint)) else shown
    for i in range(len(columns)):
        longer = {**shown, i: list(columns[i])}
        if not fit(_texts(longer, joint)):
            break
        shown = longer
    return _texts(shown, joint) or [""] * len(runs)


def shortest(values: Sequence[str]) -> list[str]:
    """Return the first words that tell different values apart, `vit…` and `resnet18…`."""
    words = [WORD.findall(value) or [value] for value in values]
    shared = 0
    while all(shared < len(some) - 1 for some in words) and len({s[shared] for s in words}) == 1:
        shared += 1
    rest = [some[shared:] for some in words]
    different = len(set(values))
    count = next(
        (
            n
            for n in range(1, max(map(len, rest)))
            if len({tuple(r[:n]) for r in rest}) == different
        ),
        None,
    )
    found = []
    for value, some in zip(values, rest, strict=True):
        text = "".join(some[:count]).lstrip(" _/,=:;+-" if shared else "")
        text = (MORE if shared else "") + text + (MORE if len(some[:count]) < len(some) else "")
        found.append(min(value, text, key=cell_len))
    return found


def _aligned(runs: list[Parts], joint: str) -> list[Parts]:
    """Return as many parts for each run: if they differ in number, the middle ones are one part."""
    least = min(map(len, runs))
    if all(len(parts) == least for parts in runs):
        return runs
    first = 0
    while first < least and len({parts[first] for parts in runs}) == 1:
        first += 1
    last = 0
    while last < least - first and len({parts[len(parts) - 1 - last] for parts in runs}) == 1:
        last += 1
    return [(*p[:first], joint.join(p[first : len(p) - last]), *p[len(p) - last :]) for p in runs]


def _texts(shown: Shown, joint: str) -> list[str]:
    runs = zip(*(shown[i] for i in sorted(shown)), strict=True)
    return [joint.join(filter(None, parts)) for parts in runs]
