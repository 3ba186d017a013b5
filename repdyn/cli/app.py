"""The command line.

Cyclopts reads commands, options, help and types from the functions in commands_*.py and the dataclasses
of settings/schema.py (see options.py). A YAML file and, for `analyze`, the params of the run at hand are
further sources of the same settings (sources.py).
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, Parameter

from repdyn.cli import commands_measuring, commands_reading, commands_upkeep
from repdyn.cli.sources import settings_file, settings_of_run
from repdyn.cli.terminal import guarded_errors, tell_error
from repdyn.cli.unknown_option import elsewhere
from repdyn.cores import limit_threads
from repdyn.display.option_names import in_options
from repdyn.errors import UserError
from repdyn.signals import Terminated, taken


def _version() -> str:
    from importlib.metadata import version

    return version("repdyn")


app = App(
    name="repdyn",
    help="See how representations form while a network trains, layer by layer.",
    version=_version,
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=()),
    suppress_keyboard_interrupt=False,  # the exit code tells which signal it was
)
app["--help"].group = app["--version"].group = Group("Options")

app.command(commands_measuring.train, config=settings_file)
app.command(commands_measuring.analyze, config=settings_of_run)
app.command(commands_measuring.import_, name="import")
for command in (
    commands_measuring.sweep,
    commands_measuring.layers,
    commands_reading.compare,
    commands_reading.report,
    commands_reading.figures,
    commands_reading.show,
    commands_reading.runs,
    commands_reading.tui,
    commands_reading.demo,
    commands_upkeep.rebind,
    commands_upkeep.sync,
    commands_upkeep.cache,
    commands_upkeep.doctor,
):
    app.command(command)


def _follows_rank_zero(words: Sequence[str]) -> bool:
    """Return whether this process only trains along with rank zero of torchrun.

    Raises:
        UserError: it is rank zero, and each process would do the whole command.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    follows = several and int(os.environ.get("RANK", "0")) > 0
    if several and words[:1] in (["sweep"], ["analyze"], ["import"]):
        if follows:
            sys.exit(2)
        raise UserError(f"repdyn {words[0]}: runs in one process; leave out torchrun, or use --ray")
    return follows and words[:1] == ["train"]


def _check_words(words: Sequence[str]) -> None:
    """Reject text that cannot be stored or printed: invalid UTF-8 arrives as lone surrogates."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UserError(f"{ascii(word)[1:-1]}: is not valid UTF-8; rename it") from None


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 (a str, with surrogates for invalid UTF-8)
    except FileNotFoundError:
        raise UserError("the working folder no longer exists; change to one that does") from None


def main() -> None:
    """Run the command line: errors that the user can fix become one line and an exit code."""
    limit_threads()
    with guarded_errors():
        try:
            with taken():
                _check_words([*sys.argv[1:], _working_folder()])
                if _follows_rank_zero(sys.argv[1:]):
                    from repdyn.runs.several import follow

                    follow()
                    return
                app(sys.argv[1:], exit_on_error=False, print_error=False)
        except (UserError, CycloptsError) as error:
            tell_error(elsewhere(app, error) or in_options(error))
            sys.exit(error.exit_code if isinstance(error, UserError) else 2)
        except KeyboardInterrupt as stop:
            sys.exit(143 if isinstance(stop, Terminated) else 130)
        except Exception:  # printed here: Python would print it after the guard is gone
            traceback.print_exc()
            sys.exit(1)
