"""One model's passes over the inputs: what a checkpoint is measured by, before it is compared with others.

They come in three stages, so that checkpoints can be measured side by side: only the fit of the probes,
which starts from the solution at the checkpoint before, has to wait for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from repdyn.dry_pass import check_layers
from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.measures.cka import Grams, minibatch_grams
from repdyn.measures.clock import Clock
from repdyn.measures.engine import Engine, Summaries, engines
from repdyn.measures.features import all_features, flat, pooled, with_precise_bn
from repdyn.measures.folding import Pair, foldable, folded
from repdyn.measures.inputs import Inputs
from repdyn.measures.layer_probes import LayerProbes, ProbeLabels
from repdyn.measures.regions import Planes, label_maps, planes_through
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.shelf import Shelf
from repdyn.records import ClassArray, LabelMaps, class_dtype


@dataclass(frozen=True)
class Features:
    """What probes are fitted to and tested on.

    Attributes:
        train: features of the training inputs by layer, (m, p) each.
        test: features of the reference inputs in the same order, (n, p) each.
        finite: which of the layers and, last, the output are finite, (L+1,).
        outputs: scores that the model returns for each input; 0 if it returns something else.
    """

    train: Mapping[str, Tensor]
    test: Sequence[Tensor]
    finite: NDArray[np.bool_]
    outputs: int

    def on_cpu(self) -> Features:
        """Return them where other processes can read them."""
        train = {name: x.cpu() for name, x in self.train.items()}
        return replace(self, train=train, test=[x.cpu() for x in self.test])


@dataclass(frozen=True)
class Fitted:
    """The probes of a checkpoint.

    Attributes:
        probes: fitted to its features.
        accuracy: (L, 3); see `LayerProbes.fit`.
        finite, outputs: see `Features`.
        probed: whether there are any labels to fit to.
    """

    probes: LayerProbes
    accuracy: NDArray[np.float64]
    finite: NDArray[np.bool_]
    outputs: int
    probed: bool = True


@dataclass(frozen=True)
class Observed:
    """A checkpoint by itself, not yet compared with others.

    Attributes:
        step: of the checkpoint.
        fitted: its probes.
        summaries: by similarity measure, what is kept to compare it with others.
        label_maps: decision regions; None if none are measured.
        classes: K of the label maps.
        seconds: time spent, by part.
    """

    step: int
    fitted: Fitted
    summaries: Mapping[str, Summaries]
    label_maps: LabelMaps | None
    classes: int
    seconds: Mapping[str, float] = field(default_factory=dict)


class Passes:
    """Runs models of one architecture over the inputs; no model leaves a trace in the next.

    Args:
        layers: to watch.
        inputs: the fixed inputs.
        settings: of the measurement.

    Raises:
        UserError: the anchors of a plane lie on one line.
    """

    def __init__(self, layers: Sequence[Layer], inputs: Inputs, settings: MeasureSettings) -> None:
        self.layers, self.inputs, self.settings = tuple(layers), inputs, settings
        self.planes = None if inputs.anchors is None else planes_through(inputs.anchors)
        self._reduce = pooled if settings.probe_features == "pooled" else flat
        self._pairs: tuple[Pair, ...] | None = None

    def prepared(self, model: nn.Module, clock: Clock) -> nn.Module:
        """Return a copy to measure: precise BatchNorm if so configured, folded into convolutions.

        Raises:
            UserError: a layer cannot be watched, or its layout does not match its `Layer`.
        """
        inputs = self.inputs
        with clock("bn"):
            if self.settings.bn == "precise" and inputs.train is not None:
                model = with_precise_bn(model, inputs.train, forward=inputs.forward)
            if self._pairs is None:
                check_layers(model, self.layers, inputs.reference, inputs.forward)
                self._pairs = foldable(model, {layer.module for layer in self.layers})
            return folded(model, self._pairs)

    def features(self, model: nn.Module, clock: Clock) -> Features | None:
        """Return what probes are fitted to; None without labelled training inputs."""
        inputs, probed = self.inputs, self.inputs.probed
        if probed is None:
            return None
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
        each = [
            bool(a.isfinite().all() & b.isfinite().all()) for a, b in zip(train, test, strict=True)
        ]
        last = output is None or bool(output.isfinite().all())
        return Features(
            {layer.name: x for layer, x in zip(self.layers, train, strict=True)},
            test,
            np.array([*each, last]),
            output.shape[1] if output is not None and output.dim() == 2 else 0,
        )

    def fitted(self, found: Features | None, probes: LayerProbes, clock: Clock) -> Fitted:
        """Fit each layer's probe.

        Args:
            found: of the checkpoint.
            probes: of the checkpoint before; they become those of this one.
            clock: counts the time.
        """
        probed = self.inputs.probed
        if found is None or probed is None:
            count = len(self.layers)
            nothing = np.full((count, 3), np.nan)
            return Fitted(probes, nothing, np.ones(count + 1, dtype=bool), 0, probed=False)
        labels = ProbeLabels(
            probed.train_labels,
            probed.given_labels,
            probed.noisy,
            self.inputs.labels,
            self.inputs.classes,
        )
        with clock("probes"):
            accuracy = probes.fit(found.train, found.test, labels)
        return Fitted(probes, accuracy, found.finite, found.outputs)

    def has_maps(self, fitted: Fitted) -> bool:
        """Return whether there are decision regions to measure."""
        return fitted.outputs > 0 and self.planes is not None

    def engines(self, *, with_maps: bool, shelf: Shelf | None = None) -> dict[str, Engine]:
        """Return an engine for each measure that can be measured, with a shelf for earlier checkpoints.

        Raises:
            UserError: none can.
        """
        shown = self.inputs.shown
        kinds = () if shown is None else tuple(shown.kinds.tolist())
        return usable_engines(
            self.settings, len(self.layers), kinds, with_maps=with_maps, shelf=shelf
        )

    def observed(
        self,
        model: nn.Module,
        step: int,
        fitted: Fitted,
        by_measure: Mapping[str, Engine],
        clock: Clock,
    ) -> Observed:
        """Return what is kept of a checkpoint: summaries of its Gram matrices, and its label maps.

        Args:
            model: as `prepared`.
            step: of the checkpoint.
            fitted: its probes.
            by_measure: as `engines` returns them.
            clock: counts the time.
        """
        inputs, settings = self.inputs, self.settings
        with clock("grams"):
            show_grams(
                by_measure,
                lambda: minibatch_grams(
                    model,
                    self.layers,
                    inputs.reference,
                    estimator=settings.cka,
                    batch=settings.cka_batch,
                    chunk=inputs.batch_size,
                    forward=inputs.forward,
                ),
            )
        maps, classes = None, self._classes(fitted)
        if self.planes is not None and self.has_maps(fitted):
            fine = self.planes.subset(inputs.fine)
            with clock("regions"):
                maps = LabelMaps(
                    step,
                    self._label_maps(model, fitted, self.planes, settings.grid),
                    self._label_maps(model, fitted, fine, settings.fine_grid),
                )
        with clock("matrices"):
            kept = {
                name: engine.observe(None if maps is None else maps.maps)
                for name, engine in by_measure.items()
            }
        return Observed(step, fitted, kept, maps, classes, clock.seconds)

    def _classes(self, fitted: Fitted) -> int:
        """Return K: as many as are known, or else as the labels or the outputs show."""
        if self.inputs.fixed_classes or not self.has_maps(fitted):
            return self.inputs.classes
        return max(self.inputs.classes, fitted.outputs)

    def _label_maps(
        self, model: nn.Module, fitted: Fitted, planes: Planes, side: int
    ) -> ClassArray:
        classes = self._classes(fitted)
        if not len(planes):
            return np.zeros((len(self.layers) + 1, 0, side, side), dtype=class_dtype(classes))
        return label_maps(
            model,
            self.layers,
            fitted.probes.by_layer,
            planes,
            side,
            classes=classes,
            reduce=self._reduce,
            chunk=self.inputs.batch_size,
            forward=self.inputs.forward,
        )


def usable_engines(
    settings: MeasureSettings,
    layers: int,
    plane_kinds: Sequence[int] = (),
    *,
    with_maps: bool,
    shelf: Shelf | None = None,
) -> dict[str, Engine]:
    """Return the engines of the measures, without those that need label maps where there are none.

    Raises:
        UserError: none is left, or a measure is unknown.
    """
    found = engines(settings, layers, plane_kinds, shelf)
    usable = {name: one for name, one in found.items() if with_maps or not one.wants_maps}
    if not usable:
        raise UserError(
            f"similarity {', '.join(found)}: needs decision regions: give anchors, train and "
            "train_labels, and a model that returns a score for each class"
        )
    return usable


def show_grams(by_measure: Mapping[str, Engine], formed: Callable[[], Grams]) -> None:
    """Form the Gram matrices of the reference inputs once for all engines that need them."""
    wanting = [engine for engine in by_measure.values() if engine.wants_grams]
    for engine in wanting:
        engine.forget()
    for each, share in formed() if wanting else ():
        for engine in wanting:
            engine.see_grams(each, share)
