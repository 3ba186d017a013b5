"""Record the demo's runs: pack four of those that `repdyn sweep --preset digits` trains.

In the folder of their store: python -m tui.demo.make resnet18-sgd-digits-s0
resnet18-adam-digits-s0 vit_tiny-sgd-digits-s0 vit_tiny-adam-digits-s0
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import compute_scores
from repdyn.errors import UserError
from repdyn.records import LabelMaps, PlaneSet, RunRecord
from repdyn.settings.schema import StoreConfig
from repdyn.storage.bundle import pack
from repdyn.storage.reader import load_label_maps, load_planes, load_run
from tui.demo.source import RUNS


def main() -> None:
    """Pack runs of a store into the package."""
    parser = argparse.ArgumentParser(description="Pack runs for repdyn tui --demo.")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--tracking-uri")
    arguments = parser.parse_args()
    store = StoreConfig(tracking_uri=arguments.tracking_uri)
    packed = [_read(store, run) for run in arguments.runs]
    Path(__file__).with_name(RUNS).write_bytes(pack(packed))


def _read(store: StoreConfig, run: str) -> tuple[RunRecord, PlaneSet, list[LabelMaps]]:
    """Read a run, with phases and scores as currently defined."""
    record = load_run(store, run)
    if record.dynamics is None:
        raise UserError(f"{run}: has no checkpoint")
    phases = find_phases(record.curves, record.dynamics)
    scores = compute_scores(record.dynamics, phases)
    # MLflow's own tags tell of who ran it where
    tags = {name: tag for name, tag in record.summary.tags.items() if name.startswith("repdyn.")}
    summary = replace(record.summary, tags=tags)
    run_id = summary.run_id
    maps = [load_label_maps(store, run_id, int(epoch)) for epoch in record.dynamics.steps]
    recorded = RunRecord(summary, record.dynamics, record.curves, phases, scores)
    return recorded, load_planes(store, run_id), maps


if __name__ == "__main__":
    main()
