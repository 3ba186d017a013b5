"""The figures made for every run."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from repdyn.display.metrics import main_groups
from repdyn.display.reading import has_regions, probe_splits
from repdyn.display.similarity import measured_by
from repdyn.evenly import evenly
from repdyn.records import LabelMaps, PlaneSet, RunRecord
from repdyn.report.figures.curves import curves, fragmentation
from repdyn.report.figures.decision import decision_regions, telling_plane
from repdyn.report.figures.matrices import similarity_matrices
from repdyn.report.figures.overview import overview

LAYERS = 3
"""Layers whose decision regions are drawn."""


def standard_figures(
    record: RunRecord,
    planes: PlaneSet | None,
    maps: Sequence[LabelMaps],
    classes: tuple[str, ...],
) -> dict[str, Figure]:
    """Draw all figures that the run has data for.

    Args:
        record: of the run; before its first checkpoint there are only curves.
        planes: of the run, if stored.
        maps: label maps at its checkpoints, possibly none.
        classes: names.

    Returns:
        Figures by file name, without suffix.
    """
    drawn: dict[str, Figure] = {}
    if main_groups(record.curves) or (record.dynamics and probe_splits(record.dynamics)):
        drawn["curves"] = curves(record)
    if record.dynamics is None:
        return drawn
    for one in measured_by(record.dynamics):
        drawn[one.name] = similarity_matrices(record, one.name)
        drawn[f"overview_{one.name}"] = overview(record, one.name)
    if has_regions(record.dynamics):
        drawn["fragmentation"] = fragmentation(record)
    if planes is not None and maps:
        layers = len(record.dynamics.layers)
        some = evenly(layers, LAYERS)
        drawn["decision_regions"] = decision_regions(
            record, planes, maps, classes, telling_plane(planes), some
        )
    return drawn
