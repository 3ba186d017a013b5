"""Run in one or several processes that share every batch: a training, whose weights and metrics are saved.

Arguments are the file to save to, and a file with the state to resume from; with --stop, the training
ends in the middle of its second epoch.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from repdyn.runs.several import joined
from repdyn.settings.schema import OptimConfig
from repdyn.training.loop import Trainer
from tests.training.test_loop import data, model

EPOCHS = 3


class Stop(Exception):  # noqa: N818 - no error
    pass


def main(place: Path, state: Path | None, stop_at: int | None) -> None:
    config = OptimConfig(lr=0.05, schedule="cosine")
    with joined() as replicas:
        loop = Trainer(
            model(),
            data(50),
            config,
            epochs=EPOCHS,
            batch_size=16,
            augment="crop-flip",
            replicas=replicas,
        )
        if state is not None:
            loop.load_state(torch.load(state))
        steps = 0

        def after_step() -> None:
            nonlocal steps
            steps += 1
            if steps == stop_at:
                raise Stop

        loop.after_step = after_step
        metrics: list[Any] = []
        with suppress(Stop):
            metrics += [list(epoch.metrics().values()) for epoch in loop]
        saved = {"state": loop.state(), "metrics": torch.tensor(metrics)}
        torch.save(saved | {"model": loop.model.state_dict()}, place)


if __name__ == "__main__":
    place, *rest = sys.argv[1:]
    stops = rest == ["--stop"]
    # epochs are of 4 steps, the last one of 2 images: fewer than some numbers of processes
    main(Path(place), Path(rest[0]) if rest and not stops else None, 6 if stops else None)
