"""`repdyn analyze`: measure a run's saved checkpoints again, with different settings."""

from __future__ import annotations

from repdyn.cli.console import new_console
from repdyn.cli.progress import MeasuringObserver
from repdyn.cli.summary import sum_up
from repdyn.runs.analyze import analyze_run
from repdyn.runs.ray_tasks import RayTasks
from repdyn.settings.schema import MeasureConfig, StoreConfig


def run_analysis(
    run: str,
    measures: MeasureConfig,
    store: StoreConfig,
    *,
    in_place: bool,
    drs_error: float | None,
    ray: RayTasks | None,
) -> None:
    """Run the whole of `repdyn analyze`.

    Raises:
        UserError: there is no such run, it has no checkpoints, or a setting is invalid.
    """
    console = new_console()
    record = analyze_run(
        run,
        measures,
        store,
        in_place=in_place,
        drs_error=drs_error,
        ray=ray,
        observer=MeasuringObserver(console),
    )
    sum_up(console, record, store)
