"""Runs of a user's own loop, each without some of the parts that `repdyn train` stores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import compute_scores
from repdyn.records import EPOCH, Curve, Dynamics, FloatArray, LabelMaps
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.writer import RunWriter
from tests.support import synthetic

TRILLION = 10**12
BLOCKS = tuple(f"model.layers.{i}" for i in range(99))


@dataclass(frozen=True)
class Partial:
    """What a run has.

    Attributes:
        layers: names of the layers.
        last, count: the last step, and the number of checkpoints after step 0.
        unit: of the steps.
        measures: of similarity.
        splits: on which linear probes were measured.
        planes: number of planes.
        metrics: names of the logged metrics.
        measured: whether it has a checkpoint.
        ended: whether it has ended.
        params: as logged.
    """

    layers: tuple[str, ...] = ("embed", "block.0", "block.1", "head")
    last: int = 1000
    count: int = 12
    unit: str = "step"
    measures: tuple[str, ...] = ("cka",)
    splits: tuple[int, ...] = ()
    planes: int = 0
    metrics: tuple[str, ...] = ()
    measured: bool = True
    ended: bool = True
    params: dict[str, str] = field(default_factory=dict)


PARTIAL = {
    "language-model": Partial(
        layers=("model.embed_tokens", *BLOCKS),
        last=TRILLION,
        unit="tokens",
        measures=("cka", "knn"),
        metrics=("train/loss",),
    ),
    "text-classifier": Partial(
        layers=tuple(f"bert.encoder.layer.{i}" for i in range(12)),
        last=48_000,
        splits=(0, 1),
        metrics=("train/loss", "train/acc", "test/acc"),
        params={"dataset": "agnews", "train_size": "1000"},
    ),
    "one-layer": Partial(
        layers=("encoder",), measures=("knn",), metrics=("loss", "eval/perplexity")
    ),
    "no-metrics": Partial(last=2_000_000),
    "one-plane": Partial(
        unit=EPOCH, last=60, measures=("regions",), planes=1, metrics=("train/loss",)
    ),
    "unmeasured": Partial(measures=()),
    "just-begun": Partial(last=0, count=0, ended=False),
    "before-the-first": Partial(measured=False, metrics=("train/loss",), ended=False),
}
"""By name."""


def dynamics(parts: Partial) -> Dynamics:
    """Return what a run has measured; NaN where it has nothing."""
    first, last = np.log(max(1, parts.last // 10**4)), np.log(max(1, parts.last))
    steps = np.rint(np.exp(np.linspace(first, last, parts.count))).astype(np.int64)
    steps = np.concatenate([[0], np.unique(steps)])
    layers, e = len(parts.layers), len(steps)
    rng = np.random.default_rng(0)
    probes = np.full((layers, e, 3), np.nan, np.float32)
    for split in parts.splits:
        probes[..., split] = 0.5 + 0.4 * rng.random((layers, e))
    classes = 10 if parts.planes else 0
    return Dynamics(
        layers=parts.layers,
        steps=steps,
        similarity={name: _similarities(name, layers, e) for name in parts.measures},
        probe_acc=probes,
        fragmentation=np.full((layers + 1, e), 3.0 if parts.planes else np.nan, np.float32),
        areas=np.full((layers + 1, e, classes), 0.1, np.float32),
        unit=parts.unit,
    )


def _similarities(name: str, layers: int, e: int) -> FloatArray:
    at = np.arange(e)
    near = np.exp(-np.abs(at[:, None] - at[None]) / 4)
    rows = layers + (name == "regions")
    return np.stack([near ** (0.2 + i / rows) for i in range(rows)]).astype(np.float32)


def curves(parts: Partial) -> dict[str, Curve]:
    """Return the metrics that a run has logged."""
    steps = np.linspace(0, parts.last, 50).astype(np.int64)
    falling = 4 * np.exp(-np.linspace(0, 3, len(steps)))
    return {
        name: Curve(steps, 1 - falling / 4 if name.endswith("acc") else np.exp(falling / 2))
        for name in parts.metrics
    }


def store(name: str, where: StoreConfig) -> str:
    """Write a run as a user's loop does, without the files of parts that it lacks; return its id."""
    parts = PARTIAL[name]
    measured, logged = dynamics(parts), curves(parts)
    run = RunWriter.create(where, name, parts.params, {schema.UNIT_TAG: parts.unit})
    by_step: dict[int, dict[str, float]] = {}
    for metric, curve in logged.items():
        for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
            by_step.setdefault(step, {})[metric] = value
    for step, metrics in by_step.items():
        run.log_metrics(step, metrics)
    if parts.measured:
        run.log_dynamics(measured)
        if not parts.splits:
            run.remove(schema.array_path("probe_acc"))
        if not parts.planes:
            run.remove(schema.array_path("fragmentation"))
            run.remove(schema.array_path("areas"))
    if parts.planes:
        _store_planes(run, parts, measured)
    if not parts.ended:
        run.flush()
        return run.run_id
    with run:
        phases = find_phases(logged, measured)
        run.log_phases(phases, compute_scores(measured, phases), measured.layers)
    return run.run_id


def _store_planes(run: RunWriter, parts: Partial, measured: Dynamics) -> None:
    planes = synthetic.plane_set(parts.planes)
    run.log_planes(replace(planes, fine=np.array([0]), classes=synthetic.DIGITS))
    steps = measured.steps.astype(np.int64)
    coarse = synthetic.label_maps(steps, len(parts.layers), parts.planes, 8, 10, seed=1)
    fine = synthetic.label_maps(steps, len(parts.layers), 1, 16, 10, seed=2)
    for i, step in enumerate(steps.tolist()):
        run.log_label_maps(LabelMaps(step, coarse[i], fine[i]))
