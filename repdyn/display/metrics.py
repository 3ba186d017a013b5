"""The metrics of a run by what they are: accuracies and losses are drawn together, others alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from repdyn.display.labels import ACCURACIES, LOSSES
from repdyn.display.wording import accuracy, plain
from repdyn.records import Curve, FloatArray

ACCURACY, LOSS = "accuracy", "loss"

LAST_WORDS: Mapping[str, str] = {"acc": ACCURACY, "accuracy": ACCURACY, "loss": LOSS}
"""What a metric is, by the last word of its name: `val_acc`, `eval/loss`, `loss`."""


@dataclass(frozen=True)
class MetricGroup:
    """Metrics with one vertical axis.

    Attributes:
        title: ACCURACY, LOSS, or the name of the only metric.
        curves: by label, each with a finite value.
    """

    title: str
    curves: Mapping[str, Curve]

    @property
    def values(self) -> FloatArray:
        """The finite values of all curves, (n,)."""
        values = np.concatenate([curve.values for curve in self.curves.values()])
        return np.asarray(values[np.isfinite(values)])

    @property
    def are_shares(self) -> bool:
        """Whether they are accuracies from 0 to 1, not in percent."""
        return self.title == ACCURACY and bool((abs(self.values - 0.5) <= 0.5).all())

    def full(self, label: str) -> str:
        """Return a curve's label beside those of other groups, `train loss`."""
        return f"{label} {LOSS}" if label in LOSSES.values() and self.title == LOSS else label

    def written(self, value: float) -> str:
        """Return a value as tables show it, or a dash for NaN."""
        return accuracy(value) if self.are_shares or np.isnan(value) else f"{value:.4g}"


def group_title(name: str) -> str:
    """Return the title of the group of a metric: ACCURACY, LOSS, or its own name."""
    if name in ACCURACIES:
        return ACCURACY
    last = re.split(r"[^a-z]", name.casefold())[-1]
    return LAST_WORDS.get(last, plain(name))


MOST_SHOWN = 2
"""Groups shown beside other things, such as accuracies and losses."""


def main_groups(curves: Mapping[str, Curve]) -> list[MetricGroup]:
    """Return the groups that are shown beside other things, accuracies and losses first."""
    return metric_groups(curves)[:MOST_SHOWN]


def metric_groups(curves: Mapping[str, Curve]) -> list[MetricGroup]:
    """Return the groups that have any value: accuracies, losses, then each of the other metrics."""
    known = {n: curve for n, curve in curves.items() if np.isfinite(curve.values).any()}
    groups: dict[str, dict[str, Curve]] = {ACCURACY: {}, LOSS: {}}
    for title, names in ((ACCURACY, ACCURACIES), (LOSS, LOSSES)):
        groups[title] = {label: known.pop(name) for name, label in names.items() if name in known}
    for name, curve in known.items():
        groups.setdefault(group_title(name), {})[plain(name)] = curve
    return [MetricGroup(title, group) for title, group in groups.items() if group]
