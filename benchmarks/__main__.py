"""Run the benchmarks: python -m benchmarks [NAME…] [--quick] [--json]."""

from __future__ import annotations

from benchmarks.result import main

NAMES = (
    "cka_matrix",
    "cka_values",
    "change_points",
    "synthetic",
    "probes",
    "regions",
    "measuring",
    "similarities",
    "recording_memory",
    "own_loop",
    "training",
    "reading",
    "tui",
    "remote",
    "growth",
    "gpu",
    "verdicts",
    "standard_errors",
    "accuracy",
)

if __name__ == "__main__":
    main(NAMES, "repdyn compared with the alternatives.")
