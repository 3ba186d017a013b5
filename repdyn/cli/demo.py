"""`repdyn demo`: the recorded runs in a store, for every command that reads one."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.text import Text

from repdyn.cli.console import new_console
from repdyn.storage.unpacking import unpack
from tui.demo.source import bundle

NEXT = (
    ("repdyn runs", "the four runs"),
    ("repdyn show vit_tiny-sgd-digits-s0", "one of them, in words and numbers"),
    ("repdyn tui", "all views of them"),
)


def run_demo(folder: Path) -> None:
    """Write the recorded runs to a store in the folder, and say how to use it.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    uri = unpack(bundle(), folder)
    console = new_console()
    lines = [
        f"The demo's runs are in {folder}. To have all commands read them:",
        f"  export MLFLOW_TRACKING_URI={shlex.quote(uri)}",
    ]
    width = max(len(command) for command, _ in NEXT)
    lines += [f"  {command:{width}}   # {what}" for command, what in NEXT]
    for line in lines:
        console.print(Text(line), soft_wrap=True)
