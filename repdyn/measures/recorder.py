"""Recorder: measures a model at each checkpoint and extends the E×E matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from repdyn import batches
from repdyn.errors import UserError
from repdyn.eval_mode import undisturbed
from repdyn.layer import Layer
from repdyn.measures.clock import Clock
from repdyn.measures.engine import Engine, Summaries
from repdyn.measures.inputs import Inputs
from repdyn.measures.layer_probes import LayerProbes
from repdyn.measures.passes import Observed, Passes, show_grams, usable_engines
from repdyn.measures.regions import class_areas, fragmentation
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.shelf import Shelf
from repdyn.measures.stored_features import as_features, feature_grams, halves
from repdyn.records import (
    EPOCH,
    OUTPUT,
    UNIT_LENGTH,
    ClassArray,
    Dynamics,
    LabelMaps,
    PlaneSet,
    is_unit,
)
from repdyn.wrappers import unwrapped


@dataclass(frozen=True)
class Measurement:
    """One checkpoint, measured.

    Attributes:
        step: of the checkpoint.
        summaries: by similarity measure, what is kept to compare the checkpoint with others.
        label_maps: decision regions; None if none are measured.
        undefined: layers, possibly with `output`, whose features or classes are not finite, or
            constant over the reference inputs: their similarity is undefined.
        unsolved: layers whose probe did not converge: it has no accuracy and no regions.
        seconds: time spent, by part.
    """

    step: int
    summaries: Mapping[str, Summaries]
    label_maps: LabelMaps | None
    undefined: tuple[str, ...]
    unsolved: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def faults(self) -> dict[str, tuple[str, ...]]:
        """What is missing, in words, and of which layers."""
        reasons = {
            "constant or non-finite features, so no similarity": self.undefined,
            "the linear probe did not converge, so no accuracy and no regions": self.unsolved,
        }
        return {reason: layers for reason, layers in reasons.items() if layers}


class Recorder:
    """Measures any torch module, or features from anywhere, checkpoint by checkpoint.

    Independent of training and MLflow.

    Args:
        layers: to watch, in order of depth; `watched_layers(model)` selects them. None for features.
        inputs: the fixed inputs. None for features.
        settings: similarity measures, estimators, probes, grids. Measures that need what the inputs
            lack are left out.
        unit: of the steps, one word: epoch, step, tokens.

    Attributes:
        passes: how a model is measured on the inputs; None for features.
        probes: of the newest checkpoint.
        shelf: keeps what is needed of earlier checkpoints.

    Raises:
        UserError: the unit is not a short word, the anchors of a plane lie on one line, or a measure
            is unknown.
    """

    def __init__(
        self,
        layers: Sequence[Layer] = (),
        inputs: Inputs | None = None,
        settings: MeasureSettings | None = None,
        *,
        unit: str = EPOCH,
    ) -> None:
        if not is_unit(unit):
            raise UserError(f"unit {unit!r}: must be one word of at most {UNIT_LENGTH} letters")
        self.unit = unit
        self.layers = tuple(layers)
        self.inputs = inputs
        self._settings = settings or MeasureSettings()
        self.passes = None if inputs is None else Passes(self.layers, inputs, self._settings)
        self._classes = 0 if inputs is None else inputs.classes
        self._engines: Mapping[str, Engine] = {}
        self._has_maps = False
        self._count = 0
        self.probes = LayerProbes(self._settings)
        self.shelf = Shelf()
        self._steps: list[int] = []
        self._probe_acc: list[NDArray[np.float64]] = []
        self._fragmentation: list[NDArray[np.float64]] = []
        self._areas: list[NDArray[np.float64]] = []

    def measure(self, model: nn.Module, step: int) -> Measurement:
        """Measure the model and add it as the newest checkpoint.

        A copy of the model is run in eval mode, with precise BatchNorm statistics if so configured
        and with BatchNorm folded into convolutions. The weights, gradients, statistics and modes of
        the model do not change, nor do the global random states; autocast and inference mode do not
        apply.

        Raises:
            UserError: the step does not come after the last measured one, a layer cannot be watched,
                or its layout does not match its `Layer`; the message names it and the reason.
        """
        passes = self.passes
        if passes is None:
            raise UserError("there are no inputs to measure a model on; give inputs")
        self._check(step)
        model = unwrapped(model)
        with undisturbed(batches.device_of(model, passes.inputs.reference)):
            clock = Clock()
            model = passes.prepared(model, clock)
            fitted = passes.fitted(passes.features(model, clock), self.probes, clock)
            self._begin(with_maps=passes.has_maps(fitted))
            return self.add(passes.observed(model, step, fitted, self._engines, clock))

    def add(self, observed: Observed) -> Measurement:
        """Add a checkpoint that these `passes`, or a copy of them, observed as the newest.

        Raises:
            UserError: the step does not come after the last measured one.

        :meta private:
        """
        self._check(observed.step)
        fitted, maps = observed.fitted, observed.label_maps
        self._begin(with_maps=maps is not None)
        self.probes = fitted.probes
        self._classes = max(self._classes, observed.classes)
        return self._add(
            observed.step,
            fitted.accuracy,
            fitted.finite,
            observed.summaries,
            maps,
            Clock(observed.seconds),
            probed=fitted.probed,
        )

    def add_features(
        self,
        features: Mapping[str, ArrayLike | Tensor],
        step: int,
        labels: ArrayLike | Tensor | None = None,
    ) -> Measurement:
        """Add features from anywhere as the newest checkpoint: of JAX, Keras, or stored.

        Args:
            features: of the same n inputs at every step, by layer in order of depth, (n, ...) each.
            step: of the checkpoint.
            labels: classes of the inputs (n,): a probe is fitted to every other input and tested on
                the rest.

        Raises:
            UserError: the step does not come after the last measured one, the layers or the number of
                inputs changed, or an array is no features.
        """
        self._check(step)
        arrays = as_features(features)
        if self.layers and tuple(arrays) != tuple(layer.name for layer in self.layers):
            before = ", ".join(layer.name for layer in self.layers)
            raise UserError(f"the layers changed from {before} to {', '.join(arrays)}")
        count = len(next(iter(arrays.values())))
        if self._count not in (0, count):
            raise UserError(f"features: of {count} inputs, not {self._count} as before")
        clock, accuracy = Clock(), np.full((len(arrays), 3), np.nan)
        if labels is not None:
            with clock("probes"):
                train, test, classes = halves(arrays, labels)
                accuracy = self.probes.fit(train, test, classes)
        self.layers = self.layers or tuple(Layer(name, name) for name in arrays)
        self._count = count
        self._begin(with_maps=False)
        with clock("grams"):
            show_grams(
                self._engines,
                lambda: feature_grams(arrays, self._settings.cka, self._settings.cka_batch),
            )
        finite = np.array([*(bool(x.isfinite().all()) for x in arrays.values()), True])
        with clock("matrices"):
            summaries = {name: engine.observe(None) for name, engine in self._engines.items()}
        return self._add(step, accuracy, finite, summaries, None, clock, probed=labels is not None)

    @property
    def steps(self) -> tuple[int, ...]:
        """What has been measured so far."""
        return tuple(self._steps)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal fingerprint, equal for recorders whose summaries can be compared; "" if unknown.

        A hash of the reference inputs as the model takes them, and of how CKA divides them.
        """
        if self.inputs is None:
            return ""
        parts = [x.detach().cpu().contiguous() for x in batches.tensors(self.inputs.reference)]
        found = sha256()
        for x in parts:
            said = (tuple(x.shape), str(x.dtype), self._settings.cka, self._settings.cka_batch)
            found.update(repr(said).encode())
            found.update(x.reshape(-1).view(torch.uint8).numpy().data)
        return found.hexdigest()[:32]

    def plane_set(self) -> PlaneSet | None:
        """Return the planes as they are stored; None if there are none."""
        planes = None if self.passes is None else self.passes.planes
        if self.inputs is None or self.inputs.shown is None or planes is None:
            return None
        shown = self.inputs.shown
        names = self.inputs.class_names or tuple(map(str, range(self._classes)))
        return PlaneSet(
            anchors=shown.images.numpy(),
            labels=shown.labels.numpy(),
            true_labels=shown.true_labels.numpy(),
            kinds=shown.kinds.numpy(),
            coords=planes.coords,
            extent=planes.extent,
            fine=np.array(self.inputs.fine, dtype=np.int64),
            classes=names,
        )

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return what the next measurement depends on besides stored checkpoints: the probes."""
        return self.probes.state()

    def load_state(
        self,
        state: Mapping[str, Mapping[str, Tensor]],
        dynamics: Dynamics,
        checkpoints: Iterable[tuple[Mapping[str, Summaries], ClassArray | None]],
    ) -> None:
        """Restore what another recorder with the same layers, inputs and settings had measured.

        Args:
            state: of that recorder.
            dynamics: what it had measured.
            checkpoints: summaries, of the measures that keep any, and label maps of each of its
                steps.
        """
        self.layers = self.layers or tuple(Layer(name, name) for name in dynamics.layers)
        self._classes = max(self._classes, dynamics.areas.shape[2])
        accuracies = dynamics.probe_acc.swapaxes(0, 1).astype(np.float64)
        broken = np.isnan(dynamics.fragmentation).T
        each = zip(dynamics.steps.tolist(), accuracies, broken, checkpoints, strict=True)
        for step, accuracy, flags, (stored, maps) in each:
            self._begin(with_maps=maps is not None)
            summaries = {
                name: stored[name] if name in stored else engine.observe(maps)
                for name, engine in self._engines.items()
            }
            self._grow(step, summaries, accuracy, maps, flags)
        self.probes.load_state(state)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures, known from the first checkpoint on."""
        return tuple(self._engines)

    @property
    def dynamics(self) -> Dynamics:
        """Everything measured so far, as the arrays that are stored."""
        return self.measured()

    def measured(self, *, with_errors: bool = True) -> Dynamics:
        """Return the same, possibly without standard errors, which are half of the matrices.

        :meta private:
        """
        e, k = len(self._steps), self._classes if self._has_maps else 0
        return Dynamics(
            layers=tuple(layer.name for layer in self.layers),
            steps=np.array(self._steps, dtype=np.int64),
            similarity={name: engine.matrices for name, engine in self._engines.items()},
            probe_acc=np.array(self._probe_acc, dtype=np.float32).reshape(e, -1, 3).swapaxes(0, 1),
            fragmentation=np.array(self._fragmentation, dtype=np.float32).reshape(e, -1).T,
            areas=np.array(self._areas, dtype=np.float32)
            .reshape(e, len(self.layers) + 1, k)
            .swapaxes(0, 1),
            unit=self.unit,
            errors={
                name: errors
                for name, engine in self._engines.items()
                if with_errors and (errors := engine.errors) is not None
            },
        )

    def _check(self, step: int) -> None:
        if self._steps and step <= self._steps[-1]:
            raise UserError(f"{self.unit} {step} does not come after {self._steps[-1]}")

    def _begin(self, *, with_maps: bool) -> None:
        """Create the engines, at the first checkpoint: what can be measured is known then."""
        if self._engines:
            return
        self._engines = (
            usable_engines(self._settings, len(self.layers), with_maps=with_maps, shelf=self.shelf)
            if self.passes is None
            else self.passes.engines(with_maps=with_maps, shelf=self.shelf)
        )
        self._has_maps = with_maps

    def _add(
        self,
        step: int,
        accuracy: NDArray[np.float64],
        finite: NDArray[np.bool_],
        summaries: Mapping[str, Summaries],
        maps: LabelMaps | None,
        clock: Clock,
        *,
        probed: bool,
    ) -> Measurement:
        """Add a checkpoint, and compare it with the earlier ones."""
        unsolved = np.isnan(accuracy).all(axis=1) & probed
        classes = None if maps is None else maps.maps
        with clock("matrices"):
            self._grow(step, summaries, accuracy, classes, np.append(unsolved, not finite[-1]))
        constant = np.any(
            [engine.undefined(summaries[name]) for name, engine in self._engines.items()], axis=0
        )
        names = np.array([*(layer.name for layer in self.layers), OUTPUT])
        undefined = tuple(names[~finite | np.append(constant, False)].tolist())
        without_probe = tuple(names[:-1][unsolved & finite[:-1]].tolist())
        return Measurement(step, summaries, maps, undefined, without_probe, clock.seconds)

    def _grow(
        self,
        step: int,
        summaries: Mapping[str, Summaries],
        accuracy: NDArray[np.float64],
        maps: ClassArray | None,
        broken: NDArray[np.bool_],
    ) -> None:
        """Add a checkpoint; for broken layers, everything that needs their probe is undefined."""
        for name, engine in self._engines.items():
            engine.append(summaries[name], broken)
        regions, areas = np.full(len(broken), np.nan), np.zeros((len(broken), 0))
        if maps is not None:
            regions = np.array([fragmentation(m) for m in maps])
            areas = np.stack([class_areas(m, self._classes) for m in maps])
            regions[broken], areas[broken] = np.nan, np.nan
        self._steps.append(step)
        self._probe_acc.append(accuracy)
        self._fragmentation.append(regions)
        self._areas.append(areas)
