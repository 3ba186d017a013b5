"""The linear probes of all layers, fitted anew at each checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repdyn.measures.probes import LinearProbe, fit_probe
from repdyn.measures.settings import MeasureSettings


@dataclass(frozen=True)
class ProbeLabels:
    """What probes are fitted to and tested on.

    Attributes:
        train: classes to predict (m,).
        given: classes that the network is trained on (m,).
        noisy: which of these are wrong (m,) bool.
        test: true classes of the test inputs (n,); None if they are not known.
        classes: K.
    """

    train: NDArray[np.int64]
    given: NDArray[np.int64]
    noisy: NDArray[np.bool_]
    test: NDArray[np.int64] | None
    classes: int


class LayerProbes:
    """A probe for each layer; each fit starts from the last one, which only saves iterations.

    Attributes:
        by_layer: the probes of the last checkpoint, by layer name.
    """

    def __init__(self, settings: MeasureSettings) -> None:
        self._settings = settings
        self.by_layer: dict[str, LinearProbe] = {}

    def fit(
        self, train: Mapping[str, Tensor], test: Sequence[Tensor], labels: ProbeLabels
    ) -> NDArray[np.float64]:
        """Fit all layers' probes.

        Args:
            train: features of the training inputs by layer, (m, p) each.
            test: features of the test inputs in the same order, (n, p) each.
            labels: of both.

        Returns:
            Accuracies (L, 3) on test, clean and noisy examples; NaN where there are none, if features
            are not finite or if the probe did not converge.
        """
        accuracy = np.full((len(train), 3), np.nan)
        for row, (name, features), tested in zip(accuracy, train.items(), test, strict=True):
            x = features.cpu().numpy()
            probe = self.by_layer[name] = fit_probe(
                x,
                labels.train,
                labels.classes,
                kind=self._settings.probe,
                l2=self._settings.probe_l2,
                start=self.by_layer.get(name),
            )
            if not (probe.solved and bool(tested.isfinite().all())):
                continue
            hits = probe.predict(x) == labels.given
            if labels.test is not None:
                row[0] = np.mean(probe.predict(tested.cpu().numpy()) == labels.test)
            for column, chosen in ((1, ~labels.noisy), (2, labels.noisy)):
                if chosen.any():
                    row[column] = np.mean(hits[chosen])
        return accuracy

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return what the next fit starts from."""
        return {
            name: {part: torch.from_numpy(array) for part, array in vars(probe).items()}
            for name, probe in self.by_layer.items()
        }

    def load_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore it."""
        self.by_layer = {
            name: LinearProbe(**{part: array.cpu().numpy() for part, array in probe.items()})
            for name, probe in state.items()
        }
