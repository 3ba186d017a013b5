"""Similarities between checkpoints as they are shown: which matrices, on which scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from repdyn.display.errors import with_error
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale, ScaleKind, measure_scale
from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES, MeasureSpec, spec
from repdyn.records import EPOCH, Dynamics, FloatArray, IntArray, Phases


@dataclass(frozen=True)
class Similarity:
    """One measure of similarity between a run's checkpoints.

    Attributes:
        measure: which.
        names: of the layers (N), followed by the output if the measure includes it.
        steps: of the checkpoints, (E,).
        matrices: (N, E, E).
        unit: of the steps.
        errors: standard errors of the matrices, (N, E, E); None if there are none.
    """

    measure: MeasureSpec
    names: tuple[str, ...]
    steps: IntArray
    matrices: FloatArray
    unit: str = EPOCH
    errors: FloatArray | None = None

    def to_last(self) -> FloatArray:
        """Return each checkpoint's similarity to the last, (N, E)."""
        return self.matrices[:, :, -1]

    def others_to_last(self) -> FloatArray:
        """Return the same, NaN for the last itself, which is equal to itself whatever the run."""
        values = self.to_last().copy()
        values[:, -1] = np.nan
        return values

    def errors_to_last(self) -> FloatArray:
        """Return the standard errors of the similarities to the last checkpoint, (N, E), or NaN."""
        if self.errors is None:
            return np.full(self.matrices.shape[:2], np.nan)
        return self.errors[:, :, -1]

    def scale(self, how: ScaleKind = "fixed") -> Scale:
        """Return the scale for all of the matrices."""
        return common_scale([self], how)

    def by_layer(
        self,
        values: FloatArray,
        scale: Scale,
        phases: Phases,
        title: str = "",
        errors: FloatArray | None = None,
    ) -> HeatmapData:
        """Return a heatmap of a value of each layer at each checkpoint, (N, E)."""
        return HeatmapData(values, self.names, self.steps, scale, phases, title, self.unit, errors)

    def profiles(self, scale: Scale, phases: Phases) -> HeatmapData:
        """Return a heatmap of each layer's similarity to the last checkpoint."""
        values = self.by_layer(self.to_last(), scale, phases)
        return replace(values, itself=len(self.steps) - 1)

    def of_layer(self, layer: int, scale: Scale, phases: Phases, title: str = "") -> HeatmapData:
        """Return a heatmap of a layer's matrix."""
        errors = None if self.errors is None else self.errors[layer]
        return HeatmapData(
            self.matrices[layer], None, self.steps, scale, phases, title, self.unit, errors
        )

    def readout(self, layer: int, row: int, column: int) -> str:
        """Return a cell of a layer's matrix in words, with its standard error if there is one."""
        error = math.nan if self.errors is None else float(self.errors[layer, row, column])
        return with_error(float(self.matrices[layer, row, column]), error)


def previous(matrices: FloatArray) -> FloatArray:
    """Return the cells of each checkpoint and the one before, (N, E), NaN for the first."""
    before = np.full(matrices.shape[:2], np.nan)
    before[:, 1:] = np.diagonal(matrices, offset=1, axis1=1, axis2=2)
    return before


def similarity(dynamics: Dynamics, measure: str) -> Similarity:
    """Return one similarity measure of a run.

    Raises:
        UserError: there is no such measure, or the run was measured without it.
    """
    found = spec(measure)
    if measure not in dynamics.similarity:
        raise UserError(f"the run was measured without {found.long_label}; repdyn analyze adds it")
    matrices = dynamics.similarity[measure]
    errors = dynamics.errors.get(measure)
    return Similarity(
        found, dynamics.names(measure), dynamics.steps, matrices, dynamics.unit, errors
    )


def measured_by(dynamics: Dynamics) -> tuple[MeasureSpec, ...]:
    """Return the measures of a run, in display order."""
    return tuple(one for name, one in MEASURES.items() if name in dynamics.similarity)


def common_scale(similar: Sequence[Similarity], how: ScaleKind = "fixed") -> Scale:
    """Return one scale for all matrices of one similarity measure over several runs."""
    spanned = similar if how == "run" else ()  # the others do not depend on the values
    values = [shown.matrices[:, ~np.eye(len(shown.steps), dtype=bool)].ravel() for shown in spanned]
    return measure_scale(similar[0].measure, np.concatenate([np.empty(0), *values]), how)
