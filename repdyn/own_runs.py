"""Tells repdyn's runs from those of other programs in the same store."""

from __future__ import annotations

from collections.abc import Mapping

TAGS = "repdyn."
"""How the tags begin that repdyn sets on its runs."""


def is_own(tags: Mapping[str, str]) -> bool:
    """Return whether a run is one of repdyn's: another program's has none of its tags."""
    return any(tag.startswith(TAGS) for tag in tags)
