"""Recorder: measures a model at a checkpoint and keeps the E×E matrices growing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repdyn.dry_pass import check_layers
from repdyn.eval_mode import random_state_kept
from repdyn.layer import Layer
from repdyn.measures.cka import gram_vectors, stored
from repdyn.measures.features import (
    CHUNK,
    all_features,
    flat,
    pooled,
    with_precise_bn,
)
from repdyn.measures.folding import Pair, foldable, folded
from repdyn.measures.growing import GrowingCka, RowShelf
from repdyn.measures.probes import LinearProbe, fit_probe
from repdyn.measures.regions import (
    agreement,
    class_areas,
    fragmentation,
    label_maps,
    planes_through,
)
from repdyn.measures.rows import Row
from repdyn.measures.spec import CKA, REGIONS
from repdyn.records import OUTPUT, ClassArray, Dynamics, LabelMaps, class_dtype
from repdyn.settings.schema import MeasureConfig


@dataclass(frozen=True)
class ProbeData:
    """The fixed inputs on which every checkpoint is measured, as the model takes them.

    Attributes:
        images: probe images for CKA and for the probes' test accuracy, (n, ...) float.
        labels: their true labels, (n,) int64.
        train_images: on which the probes are fitted and BatchNorm's statistics recomputed, (m, ...).
        train_labels: what the probes learn to say, (m,) int64.
        given_labels: what the network was trained on, (m,) int64.
        noisy: which of these labels were flipped, (m,) bool.
        anchors: three inputs a plane, (P, 3, ...) float.
        fine: which of the planes are also drawn finely.
        classes: K.
    """

    images: Tensor
    labels: NDArray[np.int64]
    train_images: Tensor
    train_labels: NDArray[np.int64]
    given_labels: NDArray[np.int64]
    noisy: NDArray[np.bool_]
    anchors: Tensor
    fine: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class Measurement:
    """One checkpoint, measured.

    Attributes:
        rows: the layers' packed centred Grams, L rows of length m, float16.
        label_maps: decision regions.
        undefined: layers, and perhaps `output`, whose features or classes are constant over the
            probe images or not finite: no similarity is defined.
        unsolved: layers whose probe did not converge: it has no accuracy and no regions.
        seconds: time spent, by part.
    """

    epoch: int
    rows: list[Row]
    label_maps: LabelMaps
    undefined: tuple[str, ...]
    unsolved: tuple[str, ...]
    seconds: dict[str, float]


class Recorder:
    """Measures any torch module, epoch after epoch; knows nothing of training or of MLflow.

    Args:
        layers: to watch, in order of depth; `watched_layers(model)` proposes them.
        data: the fixed inputs.
        settings: estimators, probes, grids; checkpoints and sizes are the caller's.
        chunk: inputs a forward pass.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        data: ProbeData,
        settings: MeasureConfig | None = None,
        *,
        chunk: int = CHUNK,
    ) -> None:
        self.layers = tuple(layers)
        self.planes = planes_through(data.anchors)
        self._data = data
        self._settings = settings or MeasureConfig()
        self._chunk = chunk
        self._reduce = pooled if self._settings.probe_features == "pooled" else flat
        self._pairs: tuple[Pair, ...] | None = None
        self._cka = [GrowingCka() for _ in self.layers]
        self._shelf = RowShelf()
        self._probes: dict[str, LinearProbe] = {}
        self._epochs: list[int] = []
        self._maps: list[ClassArray] = []
        self._regions = np.zeros((len(self.layers) + 1, 0, 0))
        self._probe_acc: list[NDArray[np.float64]] = []
        self._broken: list[NDArray[np.bool_]] = []
        self._fragmentation: list[NDArray[np.float64]] = []
        self._areas: list[NDArray[np.float64]] = []

    def measure(self, model: nn.Module, epoch: int) -> Measurement:
        """Measure the model and take it in as the newest checkpoint.

        The model is run in eval mode, on a copy with precise BatchNorm statistics if so set and
        with BatchNorm folded into convolutions; its own weights, statistics and mode stay as they
        are, and so does the global random state.

        Raises:
            ValueError: the epoch does not come after the last measured one.
            UserError: a layer cannot be watched, or its layout is not as its `Layer` says; names
                it and the reason.
        """
        if self._epochs and epoch <= self._epochs[-1]:
            raise ValueError(f"epoch {epoch} does not come after {self._epochs[-1]}")
        with random_state_kept(self._data.images.device):
            return self._measure(model, epoch)

    def _measure(self, model: nn.Module, epoch: int) -> Measurement:
        clock = _Clock()
        settings = self._settings
        with clock("bn"):
            if settings.bn == "precise":
                model = with_precise_bn(model, self._data.train_images)
            if self._pairs is None:
                check_layers(model, self.layers, self._data.images)
                self._pairs = foldable(model, {layer.module for layer in self.layers})
            model = folded(model, self._pairs)
        with clock("cka"):
            vectors = gram_vectors(
                model,
                self.layers,
                self._data.images,
                estimator=settings.cka,
                batch=settings.cka_batch,
                chunk=self._chunk,
            )
            rows = [stored(vector) for vector in vectors]
        accuracy, finite = self._fit_probes(model, clock)
        unsolved = np.isnan(accuracy[:, 0])
        broken = np.append(unsolved, not finite[-1])
        with clock("regions"):
            maps = self._label_maps(model, range(len(self.planes)), settings.grid)
            fine = self._label_maps(model, self._data.fine, settings.fine_grid)
        with clock("matrices"):
            self._grow(epoch, rows, accuracy, maps, broken)
        constant = [bool(np.isnan(row[0])) for row in rows]
        names = np.array([*(layer.name for layer in self.layers), OUTPUT])
        undefined = tuple(names[~finite | [*constant, False]].tolist())
        without_probe = tuple(names[:-1][unsolved & finite[:-1]].tolist())
        kept = LabelMaps(epoch, maps, fine)
        return Measurement(epoch, rows, kept, undefined, without_probe, clock.seconds)

    @property
    def epochs(self) -> tuple[int, ...]:
        """What has been measured so far."""
        return tuple(self._epochs)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return what the next measurement depends on beside the stored checkpoints: the probes."""
        return {
            name: {part: torch.from_numpy(array) for part, array in vars(probe).items()}
            for name, probe in self._probes.items()
        }

    def load_state(
        self,
        state: Mapping[str, Mapping[str, Tensor]],
        dynamics: Dynamics,
        checkpoints: Iterable[tuple[Sequence[Row], ClassArray]],
    ) -> None:
        """Take in what another recorder of the same layers, data and settings had measured.

        Args:
            state: of that recorder.
            dynamics: what it had measured.
            checkpoints: rows and label maps of each of its epochs.
        """
        accuracies = dynamics.probe_acc.swapaxes(0, 1).astype(np.float64)
        broken = np.isnan(dynamics.fragmentation).T
        each = zip(dynamics.epochs.tolist(), accuracies, broken, checkpoints, strict=True)
        for epoch, accuracy, flags, (rows, maps) in each:
            self._grow(epoch, list(rows), accuracy, maps, flags)
        self._probes = {
            name: LinearProbe(**{part: array.cpu().numpy() for part, array in probe.items()})
            for name, probe in state.items()
        }

    @property
    def dynamics(self) -> Dynamics:
        """All measured so far, as the arrays that are stored."""
        e, k = len(self._epochs), self._data.classes
        return Dynamics(
            layers=tuple(layer.name for layer in self.layers),
            epochs=np.array(self._epochs, dtype=np.int64),
            similarity={
                CKA.name: np.stack([growing.matrix for growing in self._cka]),
                REGIONS.name: self._regions.astype(np.float32),
            },
            probe_acc=np.array(self._probe_acc, dtype=np.float32).reshape(e, -1, 3).swapaxes(0, 1),
            fragmentation=np.array(self._fragmentation, dtype=np.float32).reshape(e, -1).T,
            areas=np.array(self._areas, dtype=np.float32).reshape(e, -1, k).swapaxes(0, 1),
        )

    def _fit_probes(
        self, model: nn.Module, clock: _Clock
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Fit each layer's probe.

        Returns:
            Accuracies (L, 3) on test, clean and noisy examples, NaN of features that are not finite
            and of probes that are not solved; and which of the layers and, last, the output are
            finite, (L+1,).
        """
        data = self._data
        with clock("features"):
            (train, _), (test, output) = (
                all_features(model, self.layers, x, reduce=self._reduce, chunk=self._chunk)
                for x in (data.train_images, data.images)
            )
        with clock("probes"):
            return self._fitted(train, test, output)

    def _fitted(
        self, train: list[Tensor], test: list[Tensor], output: Tensor
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        data, settings = self._data, self._settings
        accuracy = np.full((len(self.layers), 3), np.nan)
        each = [(a.isfinite().all() & b.isfinite().all()) for a, b in zip(train, test, strict=True)]
        finite = np.array([bool(one) for one in (*each, output.isfinite().all())])
        for i, layer in enumerate(self.layers):
            x = train[i].cpu().numpy()
            probe = fit_probe(
                x,
                data.train_labels,
                data.classes,
                kind=settings.probe,
                l2=settings.probe_l2,
                start=self._probes.get(layer.name),
            )
            self._probes[layer.name] = probe
            if not (finite[i] and probe.solved):
                continue
            hits = probe.predict(x) == data.given_labels
            accuracy[i, 0] = np.mean(probe.predict(test[i].cpu().numpy()) == data.labels)
            for column, chosen in ((1, ~data.noisy), (2, data.noisy)):
                if chosen.any():
                    accuracy[i, column] = np.mean(hits[chosen])
        return accuracy, finite

    def _label_maps(self, model: nn.Module, planes: Sequence[int], side: int) -> ClassArray:
        if not planes:
            return np.zeros(
                (len(self.layers) + 1, 0, side, side), dtype=class_dtype(self._data.classes)
            )
        return label_maps(
            model,
            self.layers,
            self._probes,
            self.planes.subset(planes),
            side,
            classes=self._data.classes,
            reduce=self._reduce,
            chunk=self._chunk,
        )

    def _grow(
        self,
        epoch: int,
        rows: list[Row],
        accuracy: NDArray[np.float64],
        maps: ClassArray,
        broken: NDArray[np.bool_],
    ) -> None:
        """Take in a checkpoint; of layers that are broken all is undefined but their row."""
        self._epochs.append(epoch)
        self._maps.append(maps)
        for growing, row in zip(self._cka, self._shelf.keep(rows), strict=True):
            growing.append(row)
        e = len(self._maps)
        grown = np.empty((len(self.layers) + 1, e, e))
        grown[:, :-1, :-1] = self._regions
        new = np.stack([agreement(maps, before) for before in self._maps], axis=1)
        self._broken.append(broken)
        new[np.stack(self._broken, axis=1) | broken[:, None]] = np.nan
        grown[:, -1, :] = grown[:, :, -1] = new
        self._regions = grown
        self._probe_acc.append(accuracy)
        regions = np.array([fragmentation(m) for m in maps])
        areas = np.stack([class_areas(m, self._data.classes) for m in maps])
        regions[broken], areas[broken] = np.nan, np.nan
        self._fragmentation.append(regions)
        self._areas.append(areas)


class _Clock:
    """Adds up the seconds of named parts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start
