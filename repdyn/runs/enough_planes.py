"""How many planes give decision-region similarity (DRS) the standard error that is wanted.

In two stages (Stein 1945): all checkpoints are measured on the first PILOT planes, and the largest
standard error s of any layer, the output and any two checkpoints tells the number, as it shrinks with the
square root: n = PILOT (s / error)². Then all are measured on the first n planes, in the order in which the
data seed draws them, so that all cells of the matrices are of the same planes.

This takes the weights of all checkpoints. While a network trains, later pairs, which may vary more, are
not known yet, and earlier checkpoints could not be measured on further planes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from torch import nn

from repdyn.errors import SettingError
from repdyn.measures.spec import REGIONS
from repdyn.runs.experiment import Experiment
from repdyn.runs.observer import Observer
from repdyn.settings.schema import known

PILOT = 60
"""Planes of the first stage; a standard error is then known to about a tenth of itself."""


def check_drs_error(experiment: Experiment, error: float) -> None:
    """Raise a SettingError if the error cannot determine the number of planes."""
    measure = experiment.config.measure
    if not 0 < error < 1:
        raise SettingError("drs_error", error, "must be above 0 and below 1")
    if REGIONS.name not in measure.similarity:
        raise SettingError("drs_error", error, f"needs `similarity {REGIONS.name}`")
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
    found = _pilot(experiment, checkpoints)
    needed = planes_needed(found, error)
    planes = min(max(needed, PILOT), most)
    reached = found * math.sqrt(PILOT / planes)
    text = f"{planes:,} planes, for a standard error of DRS of about {reached:.2g} at most"
    if needed > most:
        observer.notice(f"{text}; `drs_error {error:g}` would take about {needed:,}")
    else:
        observer.say(text)
    return _first(experiment, planes)


def planes_needed(found: float, error: float) -> int:
    """Return how many planes reduce a standard error, found with PILOT planes, to the wanted one."""
    return math.ceil(PILOT * (found / error) ** 2)


def _pilot(experiment: Experiment, checkpoints: Iterable[tuple[int, nn.Module]]) -> float:
    """Return the largest standard error of DRS on the first planes."""
    first = _first(experiment, PILOT)
    measure = replace(first.config.measure, similarity=(REGIONS.name,), fine_planes=0)
    recorder = replace(first, config=replace(first.config, measure=measure)).new_recorder()
    for step, model in checkpoints:
        recorder.measure(model, step)
    return float(np.nan_to_num(recorder.dynamics.errors[REGIONS.name]).max())


def _first(experiment: Experiment, planes: int) -> Experiment:
    config = experiment.config
    measure = replace(config.measure, planes=planes)
    return replace(
        experiment,
        config=replace(config, measure=measure),
        anchors=experiment.anchors.first(planes),
    )
