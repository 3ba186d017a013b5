"""Every file in examples/ is run as its reader would, and its run is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from tests.e2e.conftest import repdyn
from tests.support.present import present

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOWN = {
    # name of the run, checkpoints, layers, whether it has decision regions
    "pytorch_loop.py": ("own loop", 16, 4, True),
    "torchvision_resnet.py": ("ResNet", 6, 10, False),
    "lightning_module.py": ("lightning", 20, 5, False),
    "huggingface_trainer.py": ("tiny BERT", 15, 6, False),
    "timm_checkpoints.py": ("timm", 12, 6, True),
    "safetensors_folder.py": ("safetensors", 10, 4, False),
    "numpy_features.py": ("numpy", 25, 3, False),
    "torchrun_ddp.py": ("two ranks", 8, 3, True),
}


def test_no_example_is_forgotten() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == SHOWN.keys()
    text = (EXAMPLES.parent / "docs" / "own-training.md").read_text()
    assert all(f"({Path('..') / 'examples' / name})" in text for name in SHOWN)


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
@pytest.mark.parametrize("name", SHOWN)
def test_an_example_ends_in_a_run(name: str, tmp_path: Path) -> None:
    launched = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    several = launched if name == "torchrun_ddp.py" else []
    command: list[str | Path] = [sys.executable, *several, EXAMPLES / name]
    bin_folder = str(Path(sys.executable).parent)
    env = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW")}
    env |= {"PATH": f"{bin_folder}{os.pathsep}{env['PATH']}", "OMP_NUM_THREADS": "1"}

    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    run_name, checkpoints, layers, regions = SHOWN[name]
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    record = load_run(store, "last")
    assert (record.summary.name, record.summary.status) == (run_name, "FINISHED")
    dynamics = present(record.dynamics)
    assert len(dynamics.steps) == checkpoints
    assert len(dynamics.layers) == layers
    assert ("regions" in dynamics.similarity) == regions
    said = repdyn("show", cwd=tmp_path).stdout
    assert run_name in said
    assert dynamics.layers[0] in said
