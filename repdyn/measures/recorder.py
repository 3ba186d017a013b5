"""Recorder: measures a model at each checkpoint and extends the E×E matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from repdyn import batches
from repdyn.dry_pass import check_layers
from repdyn.errors import UserError
from repdyn.eval_mode import undisturbed
from repdyn.layer import Layer
from repdyn.measures.cka import Grams, minibatch_grams
from repdyn.measures.clock import Clock
from repdyn.measures.engine import Engine, Summaries, engines
from repdyn.measures.features import all_features, flat, pooled, with_precise_bn
from repdyn.measures.folding import Pair, foldable, folded
from repdyn.measures.inputs import Inputs, Probed
from repdyn.measures.layer_probes import LayerProbes, ProbeLabels
from repdyn.measures.regions import Planes, class_areas, fragmentation, label_maps, planes_through
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.stored_features import as_features, feature_grams, halves
from repdyn.records import (
    EPOCH,
    OUTPUT,
    UNIT_LENGTH,
    ClassArray,
    Dynamics,
    LabelMaps,
    PlaneSet,
    class_dtype,
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
        self.planes = (
            None if inputs is None or inputs.anchors is None else planes_through(inputs.anchors)
        )
        self._settings = settings or MeasureSettings()
        self._classes = 0 if inputs is None else inputs.classes
        self._reduce = pooled if self._settings.probe_features == "pooled" else flat
        self._pairs: tuple[Pair, ...] | None = None
        self._engines: Mapping[str, Engine] = {}
        self._has_maps = False
        self._count = 0
        self._probes = LayerProbes(self._settings)
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
        if self.inputs is None:
            raise UserError("there are no inputs to measure a model on; give inputs")
        self._check(step)
        model = unwrapped(model)
        with undisturbed(batches.device_of(model, self.inputs.reference)):
            return self._measure(model, self.inputs, step)

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
                accuracy = self._probes.fit(train, test, classes)
        self.layers = self.layers or tuple(Layer(name, name) for name in arrays)
        self._count = count
        self._begin(with_maps=False)
        with clock("grams"):
            self._show_grams(
                lambda: feature_grams(arrays, self._settings.cka, self._settings.cka_batch)
            )
        finite = np.array([*(bool(x.isfinite().all()) for x in arrays.values()), True])
        return self._add(step, accuracy, finite, None, clock, probed=labels is not None)

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
        if self.inputs is None or self.inputs.shown is None or self.planes is None:
            return None
        shown = self.inputs.shown
        names = self.inputs.class_names or tuple(map(str, range(self._classes)))
        return PlaneSet(
            anchors=shown.images.numpy(),
            labels=shown.labels.numpy(),
            true_labels=shown.true_labels.numpy(),
            kinds=shown.kinds.numpy(),
            coords=self.planes.coords,
            extent=self.planes.extent,
            fine=np.array(self.inputs.fine, dtype=np.int64),
            classes=names,
        )

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return what the next measurement depends on besides stored checkpoints: the probes."""
        return self._probes.state()

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
        self._probes.load_state(state)

    @property
    def dynamics(self) -> Dynamics:
        """Everything measured so far, as the arrays that are stored."""
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
                if (errors := engine.errors) is not None
            },
        )

    def _check(self, step: int) -> None:
        if self._steps and step <= self._steps[-1]:
            raise UserError(f"{self.unit} {step} does not come after {self._steps[-1]}")

    def _begin(self, *, with_maps: bool) -> None:
        """Create the engines, at the first checkpoint: what can be measured is known then."""
        if self._engines:
            return
        shown = None if self.inputs is None else self.inputs.shown
        kinds = () if shown is None else tuple(shown.kinds.tolist())
        found = engines(self._settings, len(self.layers), kinds)
        usable = {name: one for name, one in found.items() if with_maps or not one.wants_maps}
        if not usable:
            raise UserError(
                f"similarity {', '.join(found)}: needs decision regions: give anchors, train and "
                "train_labels, and a model that returns a score for each class"
            )
        self._engines, self._has_maps = usable, with_maps

    def _measure(self, model: nn.Module, inputs: Inputs, step: int) -> Measurement:
        clock, settings = Clock(), self._settings
        with clock("bn"):
            if settings.bn == "precise" and inputs.train is not None:
                model = with_precise_bn(model, inputs.train, forward=inputs.forward)
            if self._pairs is None:
                check_layers(model, self.layers, inputs.reference, inputs.forward)
                self._pairs = foldable(model, {layer.module for layer in self.layers})
            model = folded(model, self._pairs)
        accuracy = np.full((len(self.layers), 3), np.nan)
        finite = np.ones(len(self.layers) + 1, dtype=bool)
        with_maps = False
        probed = inputs.probed
        if probed is not None:
            accuracy, finite, output = self._fit_probes(model, inputs, probed, clock)
            if output is not None and output.dim() == 2 and self.planes is not None:
                with_maps = True
                if not inputs.fixed_classes and not self._steps:
                    self._classes = max(self._classes, output.shape[1])
        self._begin(with_maps=with_maps)
        with clock("grams"):
            self._show_grams(
                lambda: minibatch_grams(
                    model,
                    self.layers,
                    inputs.reference,
                    estimator=settings.cka,
                    batch=settings.cka_batch,
                    chunk=inputs.batch_size,
                    forward=inputs.forward,
                )
            )
        maps = None
        if self._has_maps and self.planes is not None:
            with clock("regions"):
                maps = LabelMaps(
                    step,
                    self._label_maps(model, inputs, self.planes, settings.grid),
                    self._label_maps(
                        model, inputs, self.planes.subset(inputs.fine), settings.fine_grid
                    ),
                )
        return self._add(step, accuracy, finite, maps, clock, probed=probed is not None)

    def _add(
        self,
        step: int,
        accuracy: NDArray[np.float64],
        finite: NDArray[np.bool_],
        maps: LabelMaps | None,
        clock: Clock,
        *,
        probed: bool,
    ) -> Measurement:
        """Add a checkpoint whose Gram matrices were shown to the engines."""
        unsolved = np.isnan(accuracy).all(axis=1) & probed
        classes = None if maps is None else maps.maps
        with clock("matrices"):
            summaries = {name: engine.observe(classes) for name, engine in self._engines.items()}
            self._grow(step, summaries, accuracy, classes, np.append(unsolved, not finite[-1]))
        constant = np.any(
            [engine.undefined(summaries[name]) for name, engine in self._engines.items()], axis=0
        )
        names = np.array([*(layer.name for layer in self.layers), OUTPUT])
        undefined = tuple(names[~finite | np.append(constant, False)].tolist())
        without_probe = tuple(names[:-1][unsolved & finite[:-1]].tolist())
        return Measurement(step, summaries, maps, undefined, without_probe, clock.seconds)

    def _show_grams(self, formed: Callable[[], Grams]) -> None:
        """Form the Gram matrices of the reference inputs once for all engines that need them."""
        wanting = [engine for engine in self._engines.values() if engine.wants_grams]
        for engine in wanting:
            engine.forget()
        for each, share in formed() if wanting else ():
            for engine in wanting:
                engine.see_grams(each, share)

    def _fit_probes(
        self, model: nn.Module, inputs: Inputs, probed: Probed, clock: Clock
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], Tensor | None]:
        """Fit each layer's probe.

        Returns:
            Accuracies (L, 3); which of the layers and, last, the output are finite, (L+1,); and the
            output on the reference inputs.
        """
        with clock("features"):
            (train, _), (test, output) = (
                all_features(
                    model,
                    self.layers,
                    x,
                    reduce=self._reduce,
                    chunk=inputs.batch_size,
                    forward=inputs.forward,
                )
                for x in (probed.train, inputs.reference)
            )
        labels = ProbeLabels(
            probed.train_labels, probed.given_labels, probed.noisy, inputs.labels, self._classes
        )
        with clock("probes"):
            by_layer = {layer.name: x for layer, x in zip(self.layers, train, strict=True)}
            accuracy = self._probes.fit(by_layer, test, labels)
        each = [
            bool(a.isfinite().all() & b.isfinite().all()) for a, b in zip(train, test, strict=True)
        ]
        last = output is None or bool(output.isfinite().all())
        return accuracy, np.array([*each, last]), output

    def _label_maps(
        self, model: nn.Module, inputs: Inputs, planes: Planes, side: int
    ) -> ClassArray:
        if not len(planes):
            return np.zeros((len(self.layers) + 1, 0, side, side), dtype=class_dtype(self._classes))
        return label_maps(
            model,
            self.layers,
            self._probes.by_layer,
            planes,
            side,
            classes=self._classes,
            reduce=self._reduce,
            chunk=inputs.batch_size,
            forward=inputs.forward,
        )

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
