"""The metrics of a run by what they are: accuracies and losses are drawn together, others alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from repdyn.display.labels import ACCURACIES, LOSSES
from repdyn.display.metric_names import ACCURACY, LAST_WORDS, LOSS, group_title, is_other
from repdyn.display.wording import accuracy, plain
from repdyn.records import Curve, FloatArray


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


MOST_APART = 50.0
"""Ratio of the largest values of two curves that may share an axis: a smaller one would be flat."""


def scale_groups(curves: Mapping[str, Curve]) -> list[MetricGroup]:
    """Return metrics in groups that can share a vertical axis, accuracies and losses first.

    Other metrics share one if they are called the same in different folders, or are in the same
    folder; but not if one of them would be flat at the bottom.
    """
    leaves = [name.rpartition("/")[2] for name in curves]
    families: dict[str, dict[str, Curve]] = {ACCURACY: {}, LOSS: {}}
    for name, curve in curves.items():
        folder, _, leaf = name.rpartition("/")
        family = leaf if leaves.count(leaf) > 1 else folder or leaf
        kind = _contained_kind(leaf) or ("" if is_other(name) else group_title(name))
        families.setdefault(kind or plain(family), {})[name] = curve
    return [
        MetricGroup(title, group)
        for title, family in families.items()
        for group in _of_one_size(family)
    ]


def _contained_kind(leaf: str) -> str:
    """Return ACCURACY or LOSS if the last part of a name has the word, as `acc_clean` has."""
    words = re.split(r"[^a-z]", leaf.casefold())
    return next((LAST_WORDS[word] for word in words if word in LAST_WORDS), "")


def _of_one_size(curves: Mapping[str, Curve]) -> list[dict[str, Curve]]:
    """Return curves in groups, each of values of about the same size."""
    sizes = {name: _largest(curve.values) for name, curve in curves.items()}
    groups: list[tuple[float, dict[str, Curve]]] = []
    for name in sorted(curves, key=lambda name: -sizes[name]):
        near = (group for top, group in groups if sizes[name] * MOST_APART >= top or not top)
        group = next(near, None)
        if group is None:
            groups.append((sizes[name], {name: curves[name]}))
        else:
            group[name] = curves[name]
    order = list(curves)
    return [
        dict(sorted(group.items(), key=lambda item: order.index(item[0]))) for _, group in groups
    ]


def _largest(values: FloatArray) -> float:
    """Return the largest absolute value, 0 if none is finite."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
