"""`run.measure` in a loop of one's own, beside the measurement that `repdyn train` makes."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.material import build, moved, probe_data, training_images
from benchmarks.result import Figure, Result, main
from benchmarks.timing import medians
from repdyn.layers import choose_layers
from repdyn.measures.recorder import Recorder
from repdyn.runs.loop import start_run
from repdyn.runs.session import RunSession
from repdyn.settings.schema import MeasureConfig, StoreConfig

MODEL = "ViT-Tiny, patch 4"


def run(quick: bool) -> Result:
    """Measure the same models in turn, into a run of either kind."""
    n, repeat = (40, 2) if quick else (500, 9)
    settings = MeasureConfig(
        probe_images=n, probe_train=n, planes=3, fine_planes=0, grid=4 if quick else 12
    )
    inputs = probe_data(training_images(2 * n, torch.device("cpu")), settings)
    models = [moved(build(MODEL), step) for step in range(2)]
    layers = choose_layers(models[0], "", inputs.reference).layers
    with TemporaryDirectory() as folder:
        store = StoreConfig(tracking_uri=f"sqlite:///{Path(folder) / 'mlflow.db'}")
        session = RunSession.create(
            Recorder(layers, inputs, settings), "train", store, keeps_weights=False
        )
        ours = start_run(
            models[0], inputs, settings=settings, on_error="raise", tracking_uri=store.tracking_uri
        )
        steps = {"train": itertools.count(), "own": itertools.count()}
        with session, ours:
            taken = medians(
                {
                    "train": lambda: session.measure(models[0], next(steps["train"])),
                    "own": lambda: ours.measure(next(steps["own"])),
                },
                repeat,
            )
    return Result(
        f"A checkpoint of a {MODEL}, {n} reference images, 3 planes",
        [
            Figure("as repdyn train measures it", taken["train"], "s"),
            Figure("run.measure in a loop of one's own", taken["own"], "s"),
            Figure("ratio", taken["own"] / taken["train"], "×", most=1.1),
        ],
        "Both measure and store the same, in turn.",
    )


if __name__ == "__main__":
    main(["own_loop"], (__doc__ or "").splitlines()[0])
