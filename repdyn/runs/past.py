"""What a run had measured before it was stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from repdyn.measures.engine import Summaries
from repdyn.measures.spec import spec
from repdyn.records import Curve, Dynamics, LabelMaps
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import (
    load_curves,
    load_label_maps,
    load_measured,
    load_summaries,
    metric_names,
)
from repdyn.storage.search import find_run


@dataclass(frozen=True)
class Past:
    """What a run had measured before a step.

    Attributes:
        dynamics: of the checkpoints before it, without similarities: those are computed from the summaries.
        checkpoints: summaries and label maps, if there are any, of each of them, read lazily.
        curves: everything logged so far; what comes after the step is logged again.
    """

    dynamics: Dynamics
    checkpoints: Iterable[tuple[Mapping[str, Summaries], LabelMaps | None]]
    curves: Mapping[str, Curve]


def load_past(store: StoreConfig, run_id: str, before: int | None = None) -> Past | None:
    """Return what a run had measured before a step; None if it has no checkpoint at all.

    Args:
        store: where the run is.
        run_id: of the run.
        before: the first step that is not done; default: after the last measured one.

    Raises:
        UserError: there is no such run, or its stored data is damaged.
    """
    measured, names = load_measured(store, run_id)
    if measured is None:
        return None
    steps = measured.steps
    # what follows is measured again
    done = len(steps) if before is None else int((steps < before).sum())
    dynamics = measured.at_checkpoints(slice(done))
    kept = [name for name in names if spec(name).folder]
    with_maps = dynamics.areas.shape[2] > 0
    checkpoints = (
        _checkpoint(store, run_id, int(step), kept, with_maps=with_maps) for step in dynamics.steps
    )
    summary = find_run(store, run_id)
    curves = load_curves(store, summary, metric_names(summary))
    return Past(dynamics, checkpoints, curves)


def _checkpoint(
    store: StoreConfig, run_id: str, step: int, kept: Sequence[str], *, with_maps: bool
) -> tuple[Mapping[str, Summaries], LabelMaps | None]:
    summaries = {name: list(load_summaries(store, run_id, name, step)) for name in kept}
    return summaries, load_label_maps(store, run_id, step) if with_maps else None
