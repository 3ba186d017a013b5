"""Some of many, evenly spaced, for what has no room for all."""

from __future__ import annotations


def evenly(count: int, most: int) -> list[int]:
    """Return indices of at most `most` of `count` things, in order: with both ends, or only the first."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / max(1, most - 1)) for i in range(most)]
