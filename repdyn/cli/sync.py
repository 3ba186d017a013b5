"""`repdyn sync`: send queued data to its server."""

from __future__ import annotations

from pathlib import Path

from repdyn.cli.console import new_console
from repdyn.display.option_names import in_options
from repdyn.errors import UserError
from repdyn.storage.delivery.drain import Sent, drain_folder, queue_folders, refusals


def run_sync(folder: Path, uri: str | None) -> None:
    """Run the whole of `repdyn sync`; a queue or entry that cannot be sent never blocks the others.

    Raises:
        UserError: something could not be sent; it stays queued.
    """
    console = new_console()
    unsent: list[str] = []
    found = queue_folders(folder)
    for queue in found:
        try:
            sent = drain_folder(queue, uri)
        except UserError as error:
            unsent.append(in_options(error))
        else:
            console.print(_said(sent), highlight=False, markup=False, soft_wrap=True)
            if sent.refused:
                unsent.append(refusals(sent))
    if not found:
        console.print(
            f"nothing is queued in {folder}", highlight=False, markup=False, soft_wrap=True
        )
    if unsent:
        raise UserError("; ".join(unsent))


def _said(sent: Sent) -> str:
    run = sent.run_id[:8]
    died = f"its process died: resume it with repdyn train --resume {run}"
    return (
        f"run {run}: {sent.metrics} metrics and {sent.artifacts} artifacts sent to {sent.uri}; "
        f"{died if sent.status == 'RUNNING' else f'the run is {sent.status}'}"
    )
