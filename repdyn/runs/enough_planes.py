"""How many planes give decision-region similarity (DRS) the standard error that is wanted.

In two stages (Stein 1945): all checkpoints are measured on the first PILOT planes, and the largest
standard deviation s over planes of any layer, the output and any two checkpoints tells the number,
n = (s / error)². Then all are measured on the first n planes, in the order in which the data seed draws
them, so that all cells of the matrices are of the same planes.

This takes the weights of all checkpoints. While a network trains, later pairs, which may vary more, are
not known yet, and earlier checkpoints could not be measured on further planes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from repdyn.errors import SettingError
from repdyn.measures.regions import agreement
from repdyn.measures.spec import REGIONS
from repdyn.records import ClassArray
from repdyn.runs.experiment import Experiment
from repdyn.runs.observer import Observer
from repdyn.settings.schema import known

PILOT = 60
"""Planes of the first stage; s is then known to about a tenth of itself."""


def check_drs_error(experiment: Experiment, error: float) -> None:
    """Raise a SettingError if the error cannot determine the number of planes."""
    measure = experiment.config.measure
    if not 0 < error < 1:
        raise SettingError("drs_error", error, "must be above 0 and below 1")
    if REGIONS.name not in measure.similarity:
        raise SettingError("drs_error", error, f"needs the `similarity` {REGIONS.name}")
    if known(measure.planes) <= PILOT:
        raise SettingError(
            "drs_error", error, f"decides on planes beyond the first {PILOT}; give more `planes`"
        )


def with_enough_planes(
    experiment: Experiment,
    error: float,
    checkpoints: Iterable[tuple[int, nn.Module]],
    observer: Observer,
) -> Experiment:
    """Return an experiment with as many of its planes as the standard error needs, PILOT at least.

    Args:
        experiment: with the most planes to use.
        error: largest standard error of DRS.
        checkpoints: the steps to be measured and the network at each.
        observer: is told the number.
    """
    most = known(experiment.config.measure.planes)
    observer.say(f"measuring {PILOT} of {most:,} planes to find how many are needed")
    found = spread(*_pilot(experiment, checkpoints))
    needed = planes_needed(found, error)
    planes = min(max(needed, PILOT), most)
    reached = found / math.sqrt(planes)
    text = f"{planes:,} planes, for a standard error of DRS of about {reached:.2g} at most"
    if needed > most:
        observer.notice(f"{text}; `drs_error {error:g}` would take about {needed:,}")
    else:
        observer.say(text)
    return _first(experiment, planes)


def spread(maps: Sequence[ClassArray], broken: NDArray[np.bool_]) -> float:
    """Return the largest standard deviation of DRS over planes, of any two checkpoints.

    Args:
        maps: label maps of each checkpoint, (L+1, P, g, g).
        broken: where the classes are meaningless, (L+1, E).
    """
    largest = 0.0
    for i, j in itertools.combinations(range(len(maps)), 2):
        by_plane = agreement(maps[i][:, :, None], maps[j][:, :, None])
        deviations = by_plane.std(axis=1, ddof=1)[~(broken[:, i] | broken[:, j])]
        largest = max(largest, float(deviations.max(initial=0)))
    return largest


def planes_needed(spread: float, error: float) -> int:
    """Return the least n with spread / √n ≤ error."""
    return math.ceil((spread / error) ** 2)


def _pilot(
    experiment: Experiment, checkpoints: Iterable[tuple[int, nn.Module]]
) -> tuple[list[ClassArray], NDArray[np.bool_]]:
    """Return the label maps on the first planes, and where they are meaningless."""
    first = _first(experiment, PILOT)
    measure = replace(first.config.measure, similarity=(REGIONS.name,), fine_planes=0)
    recorder = replace(first, config=replace(first.config, measure=measure)).new_recorder()
    measured = [recorder.measure(model, step).label_maps for step, model in checkpoints]
    maps = [one.maps for one in measured if one is not None]
    return maps, np.isnan(recorder.dynamics.fragmentation)


def _first(experiment: Experiment, planes: int) -> Experiment:
    config = experiment.config
    measure = replace(config.measure, planes=planes)
    return replace(
        experiment,
        config=replace(config, measure=measure),
        anchors=experiment.anchors.first(planes),
    )
