"""Run the benchmarks: python -m benchmarks [NAME…] [--quick] [--json | --save FILE]."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from benchmarks.result import parser_of, run
from benchmarks.sitting import Plan, SittingError, sit

NAMES = (
    "cka_matrix",
    "cka_values",
    "change_points",
    "synthetic",
    "spikes",
    "probes",
    "regions",
    "measuring",
    "similarities",
    "recording_memory",
    "own_loop",
    "training",
    "large_data",
    "neighbours",
    "reading",
    "tui",
    "remote",
    "growth",
    "gpu",
    "verdicts",
    "standard_errors",
    "accuracy",
)

EXACT = (
    "cka_values",
    "change_points",
    "synthetic",
    "spikes",
    "regions",
    "verdicts",
    "standard_errors",
    "accuracy",
)
"""Those that time nothing: with the same seeds they find the same again."""


def main() -> None:
    """Run benchmarks, all of them if none is named."""
    parser = parser_of("repdyn compared with the alternatives.")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help=f"of {', '.join(NAMES)}")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="run each in a process of its own and keep what it finds as JSON; the same command "
        "again runs what is missing or failed",
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="of what is timed, with --save (default: 3)"
    )
    parser.add_argument(
        "--minutes", type=float, default=30, help="most for each, with --save (default: 30)"
    )
    options = parser.parse_args()
    names = options.names or NAMES
    if options.save is None:
        run(names, quick=options.quick, as_text=not options.json)
        return
    repeats = {name: 1 if name in EXACT else options.repeats for name in names}
    plan = Plan(repeats, options.minutes, options.quick)
    try:
        sit(plan, options.save, Console())
    except SittingError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
