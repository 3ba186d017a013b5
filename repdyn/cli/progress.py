"""Training progress: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)
from rich.progress import Progress as Bars

from repdyn.display.option_names import in_options
from repdyn.measures.recorder import Measurement
from repdyn.records import EPOCH
from repdyn.runs.observer import Checkpoint, Observer
from repdyn.training.loop import Epoch

NAMED = 3
"""How many non-finite tensors a line lists by name."""


class ConsoleObserver(Observer):
    """Prints messages, and shows training progress.

    Attributes:
        console: to print on.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(in_options(text), highlight=False, markup=False, soft_wrap=True)

    def remark(self, text: str) -> None:
        """Print a line, dim."""
        self.console.print(
            in_options(text), highlight=False, markup=False, soft_wrap=True, style="dim"
        )

    def notice(self, text: str) -> None:
        """Print a line, in yellow."""
        tell_notice(self.console, text)

    @contextmanager
    def decoding(self, what: str, images: int) -> Iterator[Callable[[int], object]]:
        """Show a bar in a terminal; elsewhere, a line when it is done."""
        console, start = self.console, time.monotonic()
        bars = _bars(console, "{task.percentage:3.0f} %")
        with bars:
            task = bars.add_task(what, total=images)
            yield partial(bars.advance, task)
        if not console.is_terminal:
            self.remark(f"{what} {images:,} images took {time.monotonic() - start:.1f} s")

    @contextmanager
    def training(self, epochs: int, checkpoints: int, done: int) -> Iterator[None]:
        """Show bars in a terminal."""
        with Progress(self.console, epochs, checkpoints) as self._progress:
            self._progress.start_at(done)
            yield

    def on_epoch(self, epoch: Epoch) -> None:
        """Advance the epoch bar."""
        if self._progress is not None:
            self._progress.epoch(epoch)

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Advance the checkpoint bar or print a line, and name what is undefined."""
        if self._progress is not None:
            self._progress.measured(checkpoint.seconds)
            self._progress.undefined(checkpoint.measurement)
            self._progress.not_finite(checkpoint.measurement.step, checkpoint.not_finite)

    def on_stop(self, run_id: str) -> None:
        """Say how to view a stopped run, and how to resume it."""
        short = run_id[:8]
        self.say(
            f"\nStopped. Run {short} keeps everything up to its last checkpoint: repdyn show {short}"
            f"\nResume it: repdyn train --resume {short}"
        )


class MeasuringObserver(ConsoleObserver):
    """Shows measuring: a bar over the checkpoints in a terminal, one line for each elsewhere.

    Args:
        console: to print on.
        unit: of the steps.
    """

    def __init__(self, console: Console, unit: str = EPOCH) -> None:
        super().__init__(console)
        self._unit = unit

    def measuring(self, steps: Sequence[int]) -> Iterable[int]:
        """Show a bar in a terminal."""
        console = self.console
        return track(
            steps, "measuring", console=console, disable=not console.is_terminal, transient=True
        )

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Name what is undefined, and print a line where there is no bar."""
        tell_undefined(self.console, checkpoint.measurement, self._unit)
        if not self.console.is_terminal:
            said = (
                f"{self._unit} {checkpoint.measurement.step} measured in {checkpoint.seconds:.1f} s"
            )
            self.console.print(said, highlight=False)


class Progress:
    """Shows finished epochs and checkpoints, with the accuracies of the last epoch."""

    def __init__(self, console: Console, epochs: int, checkpoints: int) -> None:
        self._console = console
        self._last: Epoch | None = None
        self._undefined: tuple[tuple[str, ...], ...] = ()
        self._total = epochs
        self._bars = _bars(console, "{task.fields[state]}")
        self._epochs = self._bars.add_task("training", total=epochs, state="")
        self._checkpoints = self._bars.add_task("measuring", total=checkpoints, state="")

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def start_at(self, checkpoints: int) -> None:
        """Set how many checkpoints a resumed training has already measured."""
        self._bars.update(self._checkpoints, completed=checkpoints)

    def epoch(self, epoch: Epoch) -> None:
        """Show a finished epoch."""
        self._last = epoch
        self._bars.update(self._epochs, completed=epoch.epoch, state=_accuracies(epoch))

    def measured(self, seconds: float) -> None:
        """Show that the last epoch is measured; without a terminal, print a line."""
        self._bars.update(self._checkpoints, advance=1, state=f"{seconds:.1f} s per checkpoint")
        epoch = self._last
        if epoch is not None and not self._console.is_terminal:
            self._console.print(
                f"epoch {epoch.epoch}/{self._total}  loss {epoch.train_loss:.3f}  "
                f"{_accuracies(epoch)}  measured in {seconds:.1f} s",
                highlight=False,
                soft_wrap=True,
            )

    def undefined(self, measurement: Measurement) -> None:
        """Name the layers with undefined values, if they differ from the last time."""
        found = (measurement.undefined, measurement.unsolved)
        if found != self._undefined:
            tell_undefined(self._console, measurement)
        self._undefined = found

    def not_finite(self, epoch: int, names: Sequence[str]) -> None:
        """Name the stored weights that are not finite, if any are."""
        if names:
            tell_not_finite(self._console, epoch, names)


def _bars(console: Console, last: str) -> Bars:
    """Return bars for a terminal; `last` is the format of their last column."""
    return Bars(
        TextColumn("{task.description:9}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn(last, markup=False),
        console=console,
        disable=not console.is_terminal,
        expand=True,
    )


def tell_not_finite(console: Console, epoch: int, names: Sequence[str]) -> None:
    """Say that the weights stored at a checkpoint are not finite, and name the first tensors."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    console.print(
        f"epoch {epoch}: stored weights are not finite: {', '.join(names[:NAMED])}{more}",
        style="yellow",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def tell_undefined(console: Console, measurement: Measurement, unit: str = EPOCH) -> None:
    """Say which layers have no similarity at a checkpoint, and which have no probe."""
    for reason, layers in measurement.faults.items():
        console.print(
            f"{unit} {measurement.step}: {reason}: {', '.join(layers)}",
            style="yellow",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def tell_notice(console: Console, notice: str) -> None:
    """Print a line that the user should see; nothing if it is empty."""
    if notice:
        said = in_options(notice)
        console.print(said, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _accuracies(epoch: Epoch) -> str:
    shares = {
        "train": epoch.train_acc,
        "clean": epoch.train_acc_clean,
        "noisy": epoch.train_acc_noisy,
        "test": epoch.test_acc,
    }
    return " ".join(f"{name} {share:.1%}" for name, share in shares.items() if share == share)
