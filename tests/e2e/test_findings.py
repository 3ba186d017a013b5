"""What the digits show of the paper's findings, on shorter runs, measured less, than those of docs/results.md."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_sweep, sweep_runs
from tests.e2e.conftest import clean_environment

# A ViT fits at 43 to 65, depending on the machine, too; its break at the fit needs 3.06 × that epoch.
GRID = """
arch: [resnet18, vit_tiny_patch16_224]
opt: sgd
epochs: 205
checkpoints: 0,2,5,8,10,12,14,16,18,20,22,25,33,44,58,77,101,133,170,205
planes: 6
fine_planes: 1
fine_grid: 12
figures: false
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_layers_of_a_vit_slow_down_more_at_the_fit_than_those_of_a_resnet(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    pytest.importorskip("ray", reason="comes with repdyn[ray]")
    (tmp_path / "grid.yaml").write_text(GRID)
    command = ["sweep", "--config", "grid.yaml", "--name", "digits", "--ray"]
    subprocess.run(
        [sys.executable, "-m", "repdyn.cli", *command],
        cwd=tmp_path,
        env=clean_environment(),
        check=True,
    )
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    breaks = {}
    for run in sweep_runs(store, find_sweep(store, "digits")):
        record = load_run(store, run.run_id)
        family = run.tags["repdyn.family"]
        breaks[family] = [
            record.scores[ScoreKey("fit_break", measure)] for measure in ("cka", "regions")
        ]
    for family, (cka, regions) in sorted(breaks.items()):
        record_property(f"fit break, {family} by SGD", f"CKA {cka:.2f}, regions {regions:.2f}")
    assert np.isfinite([*breaks.values()]).all()
    assert np.greater(breaks["vit"], breaks["resnet"]).all()
