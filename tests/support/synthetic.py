"""Runs that look like real ones, made without training.

Features do a random walk that is fast at first, picks up in the deep layers while the flipped
labels are memorised (epochs 10 to 30) and calms down; similarities are computed from them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from repdyn.records import Curve, Dynamics, LabelMaps, Phases, PlaneSet, RunRecord, RunSummary
from repdyn.score_key import ScoreKey

RESNET18 = ("stem", *(f"layer{i}.{j}" for i in range(1, 5) for j in range(2)), "logits")
DIGITS = tuple(str(digit) for digit in range(10))
FIT, ONSET, TEST_MIN, TEST_PEAK = 29, 9, 8, 24

Array = NDArray[np.float64]


def summary(**changes: Any) -> RunSummary:
    params = {
        "arch": "resnet18",
        "width": "0.25",
        "opt": "sgd",
        "lr": "0.0015",
        "dataset": "digits",
        "train_size": "1000",
        "label_noise": "0.15",
        "epochs": "200",
    }
    metrics = {"train/acc": 1.0, "test/acc": 0.872, "phase/onset": 9.0, "phase/fit": 29.0}
    made = RunSummary(
        run_id="3f9c1a5be2d84c7e9a60b1c2d3e4f506",
        name="resnet18-sgd-digits",
        experiment="repdyn",
        status="FINISHED",
        started=1_700_000_000_000,
        ended=1_700_000_240_000,
        params=params,
        tags={"repdyn.schema": "1"},
        metrics=metrics,
    )
    return replace(made, **changes)


def checkpoints(last: int, count: int) -> NDArray[np.int64]:
    spaced = np.rint(np.expm1(np.linspace(0, np.log1p(last), count))).astype(np.int64)
    return np.unique(np.concatenate([spaced, np.arange(min(8, last + 1)), [last]]))


def cka_matrix(features: Array) -> Array:
    """Return the E×E unbiased linear CKA of features (E, n, p)."""
    n = features.shape[1]
    centred = features - features.mean(axis=1, keepdims=True)
    gram = centred @ centred.transpose(0, 2, 1)
    off = ~np.eye(n, dtype=bool)
    gram = gram * off
    rows = gram.sum(axis=2, keepdims=True) / (n - 2)
    total = gram.sum(axis=(1, 2), keepdims=True) / ((n - 1) * (n - 2))
    flat = ((gram - rows - rows.transpose(0, 2, 1) + total) * off).reshape(len(gram), -1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    cka: Array = flat @ flat.T
    return cka


def walk(epochs: NDArray[np.int64], depth: float, rng: np.random.Generator) -> Array:
    """Return features (E, n, p) of a layer at relative depth 0 (stem) to 1 (logits)."""
    n, p = 60, 24
    steps = rng.normal(size=(int(epochs[-1]) + 1, n, p))
    t = np.arange(int(epochs[-1]) + 1)[:, None, None]
    learning = (0.3 + 2.2 * depth) * np.exp(-t / (1.5 + 3 * depth))
    memorising = 0.7 * depth**2 * np.exp(-(((t - 18) / 7) ** 2))
    speed = learning + memorising + 0.03 * (0.3 + depth)
    signal = 2.5 * rng.normal(size=(n, 6)) @ rng.normal(size=(6, p)) / np.sqrt(6)
    path: Array = signal + np.cumsum(steps * speed, axis=0) + 0.02 * rng.normal(size=steps.shape)
    return path[epochs]


def label_maps(
    epochs: NDArray[np.int64], layers: int, planes: int, side: int, classes: int, seed: int
) -> NDArray[np.uint8]:
    """Return label maps (E, L+1, P, g, g) of smooth random logits that settle over epochs."""
    maps = np.empty((len(epochs), layers + 1, planes, side, side), dtype=np.uint8)
    a, b = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    for plane in range(planes):
        rng = np.random.default_rng(seed + plane)
        centres = rng.uniform(-1, 1, size=(classes, 2))
        islands = rng.normal(size=(classes, 4, 4))
        bumps = np.stack([ndimage.zoom(i, side / 4, order=3, mode="nearest") for i in islands], -1)
        rise = 1 / (1 + np.exp(-(epochs - 17) / 4))
        for layer in range(layers + 1):
            wander = rng.normal(size=(len(epochs), classes, 2)) * 0.9
            settle = np.exp(-epochs / 3)[:, None, None] + 0.08
            at = centres + wander * settle * (0.3 + layer / max(1, layers))
            distance = np.hypot(
                a[..., None] - at[:, None, None, :, 0], b[..., None] - at[:, None, None, :, 1]
            )
            depth = layer / max(1, layers)
            logits = -distance + 0.5 * depth * rise[:, None, None, None] * bumps
            maps[:, layer, plane] = logits.argmax(axis=-1)
    return maps


def fragmentation(maps: NDArray[np.uint8]) -> Array:
    """Return the mean number of regions per plane, (E, L+1), of label maps (E, L+1, P, g, g)."""
    flat = maps.reshape(-1, *maps.shape[-2:])
    within = np.zeros((3, 3, 3), dtype=bool)  # regions do not reach from map to map
    within[1] = ndimage.generate_binary_structure(2, 1)
    counts = np.zeros(len(flat))
    for label in np.unique(flat):
        regions = ndimage.label(flat == label, within)[0].reshape(len(flat), -1)
        last = np.maximum.accumulate(regions.max(axis=1))  # they are numbered from map to map
        counts += np.diff(last, prepend=0)
    mean: Array = counts.reshape(maps.shape[:3]).mean(axis=-1)
    return mean


def rise(epochs: NDArray[np.int64], at: float, width: float, low: float, high: float) -> Array:
    risen: Array = low + (high - low) / (1 + np.exp(-(epochs - at) / width))
    return risen


def curves(last: int, noise: bool) -> dict[str, Curve]:
    epochs = np.arange(last + 1)
    rng = np.random.default_rng(1)
    jitter = rng.normal(size=(2, last + 1)) * 0.004
    clean = np.minimum(1, rise(epochs, 2.5, 1.5, -0.1, 1.0))
    noisy = rise(epochs, 18, 3.2, 0.02, 1.0)
    forgotten = 0.07 * np.exp(-(((epochs - 24) / 12) ** 2)) if noise else 0.0
    test = np.minimum(rise(epochs, 2.5, 1.6, -0.08, 0.93), 0.95) - forgotten + jitter[0]
    share = 0.15 if noise else 0.0
    values = {
        "train/acc": (1 - share) * clean + share * noisy,
        "train/acc_clean": clean,
        "train/acc_noisy": noisy,
        "train/loss": 2.3 * np.exp(-epochs / 9) + 2e-4,
        "test/loss": 2.2 * np.exp(-epochs / 4) + 0.35 + 0.4 * np.log1p(epochs) / 5 + jitter[1],
        "test/acc": test,
        "lr": np.full(last + 1, 0.0015),
    }
    if not noise:
        del values["train/acc_noisy"]
    return {name: Curve(epochs, np.asarray(v, dtype=np.float64)) for name, v in values.items()}


def probe_accuracy(epochs: NDArray[np.int64], layers: int, noise: bool) -> NDArray[np.float32]:
    depth = np.linspace(0, 1, layers)[:, None]
    start = 0.75 - 0.25 * depth
    test = start + (0.70 + 0.2 * np.sqrt(depth) - start) * (1 - np.exp(-epochs / 4))
    noisy = 0.06 + 0.94 * depth**3 / (1 + np.exp(-(epochs - 18) / 3.2))
    clean = np.minimum(1, test + 0.1)
    if not noise:
        noisy = np.full_like(noisy, np.nan)
    return np.stack([test, clean, noisy], axis=-1).astype(np.float32)


def plane_set(planes: int, flipped: bool = True) -> PlaneSet:
    rng = np.random.default_rng(3)
    images = ndimage.gaussian_filter(rng.uniform(size=(planes, 3, 1, 8, 8)), (0, 0, 0, 1, 1))
    images = (images - images.min()) / (images.max() - images.min()) * 255
    true = rng.integers(0, 10, size=(planes, 3))
    given = true.copy()
    if flipped:
        given[-1, 0] = (given[-1, 0] + 3) % 10
    coords = np.tile(np.array([[0.0, 0.0], [10.0, 0.0], [4.0, 8.5]]), (planes, 1, 1))
    extent = np.tile(np.array([-2.5, 12.5, -2.1, 10.6]), (planes, 1))
    kinds = np.arange(planes) * 3 // planes
    fine = np.array(sorted({0, planes // 2, planes - 1}))
    return PlaneSet(images.astype(np.uint8), given, true, kinds, coords, extent, fine)


@cache
def run(
    layers: tuple[str, ...] = RESNET18,
    last: int = 200,
    count: int = 40,
    noise: bool = True,
    classes: int = 10,
    fine_grid: int = 24,
) -> tuple[RunRecord, PlaneSet, tuple[LabelMaps, ...]]:
    """Return a record, its planes and its label maps."""
    epochs = checkpoints(last, count)
    rng = np.random.default_rng(0)
    depths = np.linspace(0, 1, len(layers)) if len(layers) > 1 else np.ones(1)
    cka = np.stack([cka_matrix(walk(epochs, depth, rng)) for depth in depths])
    planes = plane_set(6, flipped=noise)
    coarse = label_maps(epochs, len(layers), 6, 8, classes, seed=10)
    fine = label_maps(epochs, len(layers), len(planes.fine), fine_grid, classes, seed=20)
    same = (coarse[:, None] == coarse[None]).mean(axis=(-3, -2, -1)).transpose(2, 0, 1)
    areas = np.stack(
        [[np.bincount(m.ravel(), minlength=classes) / m.size for m in at] for at in coarse]
    )
    dynamics = Dynamics(
        layers=layers,
        steps=epochs,
        similarity={"cka": cka.astype(np.float32), "regions": same.astype(np.float32)},
        probe_acc=probe_accuracy(epochs, len(layers), noise),
        fragmentation=fragmentation(coarse).T.astype(np.float32),
        areas=areas.transpose(1, 0, 2).astype(np.float32),
    )
    phases = Phases(
        onset=ONSET if noise and last > 30 else None,
        fit=FIT if last > 30 else None,
        test_min=TEST_MIN if noise and last > 30 else None,
        test_peak=TEST_PEAK if noise and last > 30 else None,
        change_points=tuple(
            tuple(e for e in ((3, 12, 31) if depth > 0.5 else (3,)) if e < last) for depth in depths
        ),
    )
    scores = {
        ScoreKey("distinguishability", "cka"): 0.412,
        ScoreKey("distinguishability", "regions"): 0.287,
        ScoreKey("synchronisation", "cka"): 0.871,
        ScoreKey("drift", "cka"): 0.034,
    }
    record = RunRecord(summary(), dynamics, curves(last, noise), phases, scores)
    maps = tuple(LabelMaps(int(e), c, f) for e, c, f in zip(epochs, coarse, fine, strict=True))
    return record, planes, maps


def with_classes(
    made: tuple[RunRecord, PlaneSet, tuple[LabelMaps, ...]], count: int
) -> tuple[RunRecord, PlaneSet, tuple[LabelMaps, ...]]:
    """Return a run of ten classes as one of many more, of which it has seen the last ten."""
    record, planes, maps = made
    dynamics, shift = record.dynamics, count - 10
    assert dynamics is not None
    areas = np.pad(dynamics.areas, ((0, 0), (0, 0), (shift, 0)))
    last = [
        LabelMaps(at.step, at.maps.astype(np.uint16) + shift, at.fine.astype(np.uint16) + shift)
        for at in maps
    ]
    moved = replace(
        planes,
        labels=planes.labels + shift,
        true_labels=planes.true_labels + shift,
        classes=tuple(f"class {i}" for i in range(count)),
    )
    return replace(record, dynamics=replace(dynamics, areas=areas)), moved, tuple(last)
