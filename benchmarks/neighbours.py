"""Trainings beside each other, and beside a busy program: what waiting threads cost.

Each training is a process of its own, as `repdyn train` is: epochs and checkpoints of the default run,
timed from a common start, after one untimed epoch. `spinning` is what OpenMP does without settings,
`passive` with OMP_WAIT_POLICY=PASSIVE, `short` with GOMP_SPINCOUNT=2000: threads spin for microseconds, not
milliseconds, before they sleep; `one thread` with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.result import Figure, Result, main

POLICIES: Mapping[str, Mapping[str, str]] = {
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "short": {"GOMP_SPINCOUNT": "2000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "spinning": {"GOMP_SPINCOUNT": "300000"},  # libgomp's own number
}

ROOT = Path(__file__).parents[1]
BUSY = "while True: pass"


def run(quick: bool) -> Result:
    """Time one training, two at once, and one beside a busy program."""
    epochs, repeat = (1, 1) if quick else (8, 3)
    alone: dict[str, list[float]] = {name: [] for name in POLICIES}
    both: dict[str, list[float]] = {name: [] for name in POLICIES}
    beside: dict[str, list[float]] = {name: [] for name in POLICIES}
    for _ in range(repeat):
        for name, policy in POLICIES.items():
            alone[name].append(max(_timed(1, policy, epochs)))
            both[name].append(max(_timed(2, policy, epochs)))
            with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
                try:
                    beside[name].append(max(_timed(1, policy, epochs)))
                finally:
                    busy.kill()
    one, two, neighbour = (
        {name: statistics.median(each) for name, each in times.items()}
        for times in (alone, both, beside)
    )
    cores = os.cpu_count() or 1
    share = 1 if cores == 1 else cores / (cores - 0.5)
    figures = [
        *(
            Figure(f"alone: {name} relative to spinning", one[name] / one["spinning"])
            for name in POLICIES
            if name != "spinning"
        ),
        *(
            Figure(
                f"two at once, {name}, relative to one after the other, spinning",
                two[name] / (2 * one["spinning"]),
                most=1.08,
            )
            for name in POLICIES
        ),
        *(
            Figure(
                f"beside a busy program, {name}, relative to alone, spinning",
                neighbour[name] / one["spinning"],
                note=f"({share:.2f} by its share of the cores)",
            )
            for name in POLICIES
        ),
    ]
    return Result(
        "Trainings beside each other",
        figures,
        f"{epochs} epochs and 3 checkpoints of the default run, in turn; medians of {repeat}.",
    )


def _timed(count: int, policy: Mapping[str, str], epochs: int) -> list[float]:
    """Return the seconds of trainings that start together."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.neighbours", "--child", str(epochs)],
            cwd=ROOT,
            env=clean | dict(policy),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()  # it is ready
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    return [float(child.communicate()[0]) for child in children]


def _child(epochs: int) -> None:
    """Train an epoch, say so, wait for a line, and print the seconds that the others take."""
    import torch

    from repdyn.runs.experiment import prepare
    from repdyn.settings.schema import TrainConfig
    from repdyn.training.loop import Trainer

    experiment = prepare(TrainConfig())
    model, recorder = experiment.new_model(), experiment.new_recorder()
    torch.manual_seed(0)
    trainer = iter(
        Trainer(
            model,
            experiment.data,
            experiment.config.optim,
            epochs=epochs + 1,
            batch_size=experiment.batch_size,
            augment=experiment.config.data.augment,
        )
    )
    next(trainer)
    next(trainer)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    for epoch in trainer:
        if epoch.epoch % max(1, epochs // 3) == 0:
            recorder.measure(model, epoch.epoch)
    print(time.perf_counter() - start)


def _main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--child"]:
        _child(int(arguments[1]))
    else:
        main(["neighbours"], (__doc__ or "").splitlines()[0])


if __name__ == "__main__":
    _main(sys.argv[1:])
