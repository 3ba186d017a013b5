"""What metrics are, by their names: accuracies, losses, others, and those that only count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from repdyn.display.labels import ACCURACIES
from repdyn.display.wording import plain

ACCURACY, LOSS = "accuracy", "loss"

LAST_WORDS: Mapping[str, str] = {"acc": ACCURACY, "accuracy": ACCURACY, "loss": LOSS}
"""What a metric is, by the last word of a part of its name: `val_acc`, `eval/loss`, `val/loss/kl`."""

COUNTERS = frozenset({"epoch", "step", "global_step", "iteration", "lr", "learning_rate"})
"""Metrics that others are drawn before: how far training is, and what it was told to do."""


def group_title(name: str) -> str:
    """Return the title of the group of a metric: ACCURACY, LOSS, or its own name."""
    if name in ACCURACIES:
        return ACCURACY
    parts = reversed(name.casefold().split("/"))
    last_words = (re.split(r"[^a-z]", part)[-1] for part in parts)
    return next((LAST_WORDS[word] for word in last_words if word in LAST_WORDS), plain(name))


def is_counter(name: str) -> bool:
    """Return whether a metric only counts or sets something."""
    return name.rpartition("/")[2].casefold() in COUNTERS


def telling_first(names: Iterable[str]) -> list[str]:
    """Return the names of metrics in order, those that only count or set something last."""
    return sorted(names, key=lambda name: (is_counter(name), name))


def is_other(name: str) -> bool:
    """Return whether a metric is neither an accuracy nor a loss."""
    return group_title(name) not in (ACCURACY, LOSS)
