"""`repdyn train --resume`: resume a stopped run."""

from __future__ import annotations

from repdyn.cli.console import new_console
from repdyn.cli.progress import ConsoleObserver
from repdyn.cli.summary import sum_up
from repdyn.display.wording import plain
from repdyn.runs.resume import resume_stopped
from repdyn.settings.schema import StoreConfig, TrainConfig


def run_resume(text: str, given: TrainConfig, store: StoreConfig) -> None:
    """Run the whole of `repdyn train --resume`.

    Args:
        text: which run, as for `find_run`.
        given: settings given with --resume.
        store: where the run is.

    Raises:
        UserError: as in `resume_stopped`.
        KeyboardInterrupt: stopped again.
    """
    console = new_console()
    run, record = resume_stopped(text, given, store, ConsoleObserver(console))
    if record is not None:
        sum_up(console, record, store)
        return
    console.print(
        f"{plain(run.name)} is already finished; nothing to do", highlight=False, markup=False
    )
