"""Recorder: measures a model at each checkpoint and extends the E×E matrices."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repdyn.dry_pass import check_layers
from repdyn.errors import UserError
from repdyn.eval_mode import random_state_kept
from repdyn.layer import Layer
from repdyn.measures.cka import minibatch_grams
from repdyn.measures.engine import Engine, Summaries, engines
from repdyn.measures.features import (
    CHUNK,
    all_features,
    flat,
    pooled,
    with_precise_bn,
)
from repdyn.measures.folding import Pair, foldable, folded
from repdyn.measures.probes import LinearProbe, fit_probe
from repdyn.measures.regions import class_areas, fragmentation, label_maps, planes_through
from repdyn.records import (
    EPOCH,
    OUTPUT,
    UNIT_LENGTH,
    ClassArray,
    Dynamics,
    LabelMaps,
    class_dtype,
    is_unit,
)
from repdyn.settings.schema import MeasureConfig


@dataclass(frozen=True)
class ProbeData:
    """The fixed inputs on which every checkpoint is measured, as the model takes them.

    Attributes:
        images: reference images for the similarities and for the probes' test accuracy, (n, ...) float.
        labels: their true labels, (n,) int64.
        train_images: to fit the probes and recompute BatchNorm statistics on, (m, ...).
        train_labels: what the probes learn to predict, (m,) int64.
        given_labels: what the network was trained on, (m,) int64.
        noisy: which of these labels were flipped, (m,) bool.
        anchors: three inputs per plane, (P, 3, ...) float.
        fine: which of the planes are also drawn on a fine grid.
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
        step: of the checkpoint.
        summaries: by similarity measure, what is kept to compare the checkpoint with others.
        label_maps: decision regions.
        undefined: layers, possibly with `output`, whose features or classes are not finite, or
            constant over the reference images: their similarity is undefined.
        unsolved: layers whose probe did not converge: it has no accuracy and no regions.
        seconds: time spent, by part.
    """

    step: int
    summaries: Mapping[str, Summaries]
    label_maps: LabelMaps
    undefined: tuple[str, ...]
    unsolved: tuple[str, ...]
    seconds: dict[str, float]


class Recorder:
    """Measures any torch module, checkpoint by checkpoint; independent of training and MLflow.

    Args:
        layers: to watch, in order of depth; `watched_layers(model)` selects them.
        data: the fixed inputs.
        settings: estimators, probes, grids; checkpoints and sizes are up to the caller.
        chunk: inputs per forward pass.
        unit: of the steps, one word: epoch, step, tokens.

    Raises:
        ValueError: the unit is not a short word.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        data: ProbeData,
        settings: MeasureConfig | None = None,
        *,
        chunk: int = CHUNK,
        unit: str = EPOCH,
    ) -> None:
        if not is_unit(unit):
            raise ValueError(f"unit {unit!r}: must be one word of at most {UNIT_LENGTH} letters")
        self.unit = unit
        self.layers = tuple(layers)
        self.planes = planes_through(data.anchors)
        self._data = data
        self._settings = settings or MeasureConfig()
        self._chunk = chunk
        self._reduce = pooled if self._settings.probe_features == "pooled" else flat
        self._pairs: tuple[Pair, ...] | None = None
        self._engines: Mapping[str, Engine] = engines(self._settings, len(self.layers))
        self._probes: dict[str, LinearProbe] = {}
        self._steps: list[int] = []
        self._probe_acc: list[NDArray[np.float64]] = []
        self._fragmentation: list[NDArray[np.float64]] = []
        self._areas: list[NDArray[np.float64]] = []

    def measure(self, model: nn.Module, step: int) -> Measurement:
        """Measure the model and add it as the newest checkpoint.

        A copy of the model is run in eval mode, with precise BatchNorm statistics if so configured
        and with BatchNorm folded into convolutions; the weights, statistics and mode of the model
        and the global random state do not change.

        Raises:
            ValueError: the step does not come after the last measured one.
            UserError: a layer cannot be watched, or its layout does not match its `Layer`; the
                message names it and the reason.
        """
        if self._steps and step <= self._steps[-1]:
            raise ValueError(f"{self.unit} {step} does not come after {self._steps[-1]}")
        with random_state_kept(self._data.images.device):
            return self._measure(model, step)

    def _measure(self, model: nn.Module, step: int) -> Measurement:
        clock = _Clock()
        settings = self._settings
        with clock("bn"):
            if settings.bn == "precise":
                model = with_precise_bn(model, self._data.train_images)
            if self._pairs is None:
                check_layers(model, self.layers, self._data.images)
                self._pairs = foldable(model, {layer.module for layer in self.layers})
            model = folded(model, self._pairs)
        with clock("grams"):
            self._show_grams(model)
        accuracy, finite = self._fit_probes(model, clock)
        unsolved = np.isnan(accuracy[:, 0])
        broken = np.append(unsolved, not finite[-1])
        with clock("regions"):
            maps = self._label_maps(model, range(len(self.planes)), settings.grid)
            fine = self._label_maps(model, self._data.fine, settings.fine_grid)
        with clock("matrices"):
            summaries = {name: engine.observe(maps) for name, engine in self._engines.items()}
            self._grow(step, summaries, accuracy, maps, broken)
        constant = np.any(
            [engine.undefined(summaries[name]) for name, engine in self._engines.items()], axis=0
        )
        names = np.array([*(layer.name for layer in self.layers), OUTPUT])
        undefined = tuple(names[~finite | np.append(constant, False)].tolist())
        without_probe = tuple(names[:-1][unsolved & finite[:-1]].tolist())
        kept = LabelMaps(step, maps, fine)
        return Measurement(step, summaries, kept, undefined, without_probe, clock.seconds)

    @property
    def steps(self) -> tuple[int, ...]:
        """What has been measured so far."""
        return tuple(self._steps)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal fingerprint, equal for recorders whose summaries can be compared.

        A hash of the reference images as the model takes them, and of how CKA divides them.
        """
        images = self._data.images.detach().cpu().contiguous()
        said = (
            tuple(images.shape),
            str(images.dtype),
            self._settings.cka,
            self._settings.cka_batch,
        )
        found = sha256(repr(said).encode())
        found.update(images.numpy().data)
        return found.hexdigest()[:32]

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return what the next measurement depends on besides stored checkpoints: the probes."""
        return {
            name: {part: torch.from_numpy(array) for part, array in vars(probe).items()}
            for name, probe in self._probes.items()
        }

    def load_state(
        self,
        state: Mapping[str, Mapping[str, Tensor]],
        dynamics: Dynamics,
        checkpoints: Iterable[tuple[Mapping[str, Summaries], ClassArray]],
    ) -> None:
        """Restore what another recorder with the same layers, data and settings had measured.

        Args:
            state: of that recorder.
            dynamics: what it had measured.
            checkpoints: summaries, of the measures that keep any, and label maps of each of its
                steps.
        """
        accuracies = dynamics.probe_acc.swapaxes(0, 1).astype(np.float64)
        broken = np.isnan(dynamics.fragmentation).T
        each = zip(dynamics.steps.tolist(), accuracies, broken, checkpoints, strict=True)
        for step, accuracy, flags, (stored, maps) in each:
            summaries = {
                name: stored[name] if name in stored else engine.observe(maps)
                for name, engine in self._engines.items()
            }
            self._grow(step, summaries, accuracy, maps, flags)
        self._probes = {
            name: LinearProbe(**{part: array.cpu().numpy() for part, array in probe.items()})
            for name, probe in state.items()
        }

    @property
    def dynamics(self) -> Dynamics:
        """Everything measured so far, as the arrays that are stored."""
        e, k = len(self._steps), self._data.classes
        return Dynamics(
            layers=tuple(layer.name for layer in self.layers),
            steps=np.array(self._steps, dtype=np.int64),
            similarity={name: engine.matrices for name, engine in self._engines.items()},
            probe_acc=np.array(self._probe_acc, dtype=np.float32).reshape(e, -1, 3).swapaxes(0, 1),
            fragmentation=np.array(self._fragmentation, dtype=np.float32).reshape(e, -1).T,
            areas=np.array(self._areas, dtype=np.float32).reshape(e, -1, k).swapaxes(0, 1),
            unit=self.unit,
        )

    def _show_grams(self, model: nn.Module) -> None:
        """Compute the Gram matrices of the reference images once for all engines that need them."""
        settings = self._settings
        wanting = [engine for engine in self._engines.values() if engine.wants_grams]
        if not wanting:
            return
        for grams, share in minibatch_grams(
            model,
            self.layers,
            self._data.images,
            estimator=settings.cka,
            batch=settings.cka_batch,
            chunk=self._chunk,
        ):
            for engine in wanting:
                engine.see_grams(grams, share)

    def _fit_probes(
        self, model: nn.Module, clock: _Clock
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Fit each layer's probe.

        Returns:
            Accuracies (L, 3) on test, clean and noisy examples, NaN if features are not finite or
            the probe did not converge; and which of the layers and, last, the output are finite,
            (L+1,).
        """
        data = self._data
        with clock("features"):
            (train, _), (test, output) = (
                all_features(model, self.layers, x, reduce=self._reduce, chunk=self._chunk)
                for x in (data.train_images, data.images)
            )
        if output is None:
            raise UserError("the model returns no tensor with an entry for each input")
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
        step: int,
        summaries: Mapping[str, Summaries],
        accuracy: NDArray[np.float64],
        maps: ClassArray,
        broken: NDArray[np.bool_],
    ) -> None:
        """Add a checkpoint; for broken layers, everything that needs their probe is undefined."""
        self._steps.append(step)
        for name, engine in self._engines.items():
            engine.append(summaries[name], broken)
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
