"""`repdyn train --resume`: resume a stopped run."""

from __future__ import annotations

from repdyn.cli.console import new_console
from repdyn.cli.progress import ConsoleObserver
from repdyn.cli.summary import sum_up
from repdyn.display.wording import plain
from repdyn.runs.resume import resume_stopped
from repdyn.runs.several import joined
from repdyn.settings.schema import StoreConfig, TrainConfig
from repdyn.training.replicas import Replicas


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
    with joined() as replicas:
        _run(text, given, store, replicas)


def _run(text: str, given: TrainConfig, store: StoreConfig, replicas: Replicas) -> None:
    console = new_console()
    run, record = resume_stopped(text, given, store, ConsoleObserver(console), replicas)
    if record is not None:
        sum_up(console, record, store)
        return
    console.print(
        f"{plain(run.name)} is already finished; nothing to do", highlight=False, markup=False
    )
