"""Tells repdyn's runs from those of other programs in the same store, and the parents of sweeps."""

from __future__ import annotations

from collections.abc import Mapping

TAGS = "repdyn."
"""How the tags begin that repdyn sets on its runs."""

SWEEP_TAG = "repdyn.sweep"
"""Marks the parent run of a sweep, which trains nothing itself; a digest of its settings."""

PARENT_TAG = "mlflow.parentRunId"
"""The id of the run that a run is nested in, as a sweep's are in its parent."""


def is_own(tags: Mapping[str, str]) -> bool:
    """Return whether a run is one of repdyn's: another program's has none of its tags."""
    return any(tag.startswith(TAGS) for tag in tags)


def is_sweep(tags: Mapping[str, str]) -> bool:
    """Return whether a run is the parent of a sweep."""
    return SWEEP_TAG in tags
