"""What a preview keeps of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from repdyn.display.preview import NEAREST, PLACES, drawn_metrics, preview_of, warnings
from repdyn.records import Dynamics, Phases, RunRecord
from tests.support import stored, synthetic


def measured(similar: np.ndarray, steps: list[int]) -> RunRecord:
    """A run of which only this similarity is known, (L, E, E)."""
    layers, count = len(similar), len(steps)
    dynamics = Dynamics(
        layers=tuple(f"layer{i}" for i in range(layers)),
        steps=np.array(steps),
        similarity={"cka": similar.astype(np.float32)},
        probe_acc=np.full((layers, count, 3), np.nan, np.float32),
        fragmentation=np.full((layers + 1, count), np.nan, np.float32),
        areas=np.full((layers + 1, count, 0), np.nan, np.float32),
    )
    return RunRecord(synthetic.summary(), dynamics, {}, Phases(), {})


def to_last(values: list[list[float]], steps: list[int]) -> RunRecord:
    """A run whose layers have these similarities to the last checkpoint."""
    similar = np.zeros((len(values), len(steps), len(steps)))
    similar[:, :, -1] = values
    return measured(similar, steps)


def test_a_fingerprint_is_the_mean_over_layers_on_the_scale_of_all_runs() -> None:
    steps = [0, 1, 3, 7]  # evenly spaced on the axis
    found = preview_of(to_last([[0.0, 0.8, 0.99, 1.0], [0.0, 1.0, 0.99, 1.0]], steps)).fingerprint
    assert len(found) == PLACES
    decades = -np.log10(1 - NEAREST)
    first, middle, last = (-np.log10(1 - mean) / decades for mean in (0.0, 0.9, 0.99))
    assert found[0] == pytest.approx(first)
    assert found[PLACES // 2] == pytest.approx(middle, abs=1e-5)
    assert found[-1] == pytest.approx(last, abs=1e-5)


def test_layers_without_a_value_do_not_count_and_a_place_without_any_is_nan() -> None:
    nan = np.nan
    found = preview_of(to_last([[nan, 0.9, 1.0], [nan, nan, 1.0]], [0, 1, 2])).fingerprint
    assert np.isnan(found[0])
    assert found[-1] == pytest.approx(1 / -np.log10(1 - NEAREST), abs=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_of_few_checkpoints_has_a_preview(count: int) -> None:
    found = preview_of(replace(to_last([[0.5] * count], [*range(count)])))
    assert found.picture is not None
    assert len(found.fingerprint) == (PLACES if count > 1 else 0)


def test_a_preview_does_not_keep_the_matrices() -> None:
    whole = measured(np.random.default_rng(0).random((3, 8, 8)), [*range(8)])
    picture = preview_of(whole).picture
    assert picture is not None
    assert picture.values.base is None


def test_a_run_without_checkpoints_has_no_picture() -> None:
    found = preview_of(RunRecord(synthetic.summary(), None, {}, Phases(), {}))
    assert (found.picture, found.fingerprint, found.curves, found.last) == (None, (), None, 0)


@pytest.mark.parametrize(
    ("names", "drawn"),
    [
        (["test/acc", "train/acc", "train/loss"], ["train/acc", "test/acc"]),
        (["val_acc", "val_loss"], ["val_acc"]),
        (["train/acc", "train/loss", "val/acc"], ["train/acc", "val/acc"]),
        (
            ["train/acc", *(f"by_class/{i}/acc" for i in range(9))],
            ["train/acc", *(f"by_class/{i}/acc" for i in range(3))],
        ),
        (["eval/loss", "lr"], ["eval/loss"]),
        (["lr", "system/cpu"], ["lr"]),
        (["epoch", "lr", "rmse", "train/step"], ["rmse"]),
        (
            ["epoch", "train/acc/top1", "train/loss/kl", "val/acc/top1"],
            ["train/acc/top1", "val/acc/top1"],
        ),
        (["epoch", "loss/kl", "glossy"], ["loss/kl"]),
        (["system/cpu"], []),
        ([f"acc{i}/accuracy" for i in range(9)], [f"acc{i}/accuracy" for i in range(4)]),
    ],
)
def test_which_metrics_are_drawn(names: list[str], drawn: list[str]) -> None:
    assert drawn_metrics(names) == drawn


def test_only_a_runs_own_metrics_are_warned_of() -> None:
    nan = float("nan")
    run = synthetic.summary(metrics={"train/loss": nan, "score/x": nan, "phase/fit": nan, "a": 1.0})
    assert warnings(run, None) == ["not a number: train/loss"]


def test_many_spikes_are_counted() -> None:
    record = replace(measured(stored.dynamics().similarity["cka"], [0, 1, 2, 4]))
    record = replace(record, phases=Phases(spikes=(10, 20, 30, 40, 50)))
    said = warnings(record.summary, preview_of(record))
    assert said == ["accuracy fell back at epoch 10, 20, 30 and 2 more"]
