"""`repdyn analyze`: measure a run's saved checkpoints again, with different settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.progress import track

from repdyn.cli.console import new_console
from repdyn.cli.progress import ConsoleObserver, tell_undefined
from repdyn.cli.summary import sum_up
from repdyn.runs.analyze import analyze_run
from repdyn.runs.observer import Checkpoint
from repdyn.settings.schema import MeasureConfig, StoreConfig


def run_analysis(run: str, measures: MeasureConfig, store: StoreConfig, *, in_place: bool) -> None:
    """Run the whole of `repdyn analyze`.

    Raises:
        UserError: there is no such run, it has no checkpoints, or a setting is invalid.
    """
    console = new_console()
    record = analyze_run(run, measures, store, in_place=in_place, observer=_Observer(console))
    sum_up(console, record, store)


class _Observer(ConsoleObserver):
    """Shows a progress bar over the checkpoints in a terminal, one line for each elsewhere."""

    def measuring(self, steps: Sequence[int]) -> Iterable[int]:
        console = self.console
        return track(
            steps, "measuring", console=console, disable=not console.is_terminal, transient=True
        )

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        tell_undefined(self.console, checkpoint.measurement)
        if not self.console.is_terminal:
            said = f"epoch {checkpoint.measurement.step} measured in {checkpoint.seconds:.1f} s"
            self.console.print(said, highlight=False)
