"""The curves of a run, collected as its epochs are logged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from repdyn.records import Curve


class GrowingCurves:
    """Metrics by epoch.

    Args:
        known: curves of a run that is resumed.
    """

    def __init__(self, known: Mapping[str, Curve]) -> None:
        self._values = {
            name: dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))
            for name, curve in known.items()
        }

    def add(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Add an epoch, replacing its earlier values."""
        for name, value in metrics.items():
            self._values.setdefault(name, {})[epoch] = value

    def curves(self) -> dict[str, Curve]:
        """Return the curves, by name."""
        return {
            name: Curve(
                np.array(sorted(values), dtype=np.int64),
                np.array([values[epoch] for epoch in sorted(values)]),
            )
            for name, values in sorted(self._values.items())
        }
