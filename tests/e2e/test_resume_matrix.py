"""Runs of many families, optimizers and precisions, killed half way and resumed: the same bits."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import repdyn, started
from tests.e2e.test_resume import same

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SETTINGS = """
epochs: 3
checkpoints: 0,1,3
planes: 3
grid: 4
fine_planes: 1
fine_grid: 5
probe_images: 40
probe_train: 40
train_size: 96
batch_size: 32
save_every: 1
device: cpu
layers: ^(stem|conv_stem|patch_embed|s[1-3]|logits)$
figures: false
"""

MATRIX = [
    ("resnet18 --width 0.0625", "sgd", "fp32"),
    ("resnet18 --width 0.125 --augment crop-flip", "adamw", "bf16"),
    ("vit_tiny_patch16_224 --width 0.25 --arch-arg drop_path_rate=0.2", "adam", "bf16"),
    ("mobilenetv3_small_050", "lamb", "fp32"),
    ("regnetx_002", "rmsprop", "fp32"),
    ("ghostnet_050", "lion", "fp32"),
    ("efficientnet_lite0 --schedule cosine", "nadam", "fp32"),
]


def prepared(folder: Path, blank_database: Path) -> Path:
    folder.mkdir()
    shutil.copy(blank_database, folder / "mlflow.db")
    (folder / "run.yaml").write_text(SETTINGS)
    return folder


def wait_for_state(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not list(folder.glob("mlruns/*/*/artifacts/checkpoints/last.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("arch", "opt", "precision"), MATRIX)
def test_a_killed_run_goes_on_to_the_same_bits(
    arch: str, opt: str, precision: str, blank_database: Path, tmp_path: Path
) -> None:
    given = ["train", "--config", "run.yaml", "--arch", *arch.split(), "--opt", opt]
    given += ["--lr", "0.001", "--precision", precision]
    whole, killed = (prepared(tmp_path / name, blank_database) for name in ("whole", "killed"))
    repdyn(*given, cwd=whole)
    with started(*given, cwd=killed) as process:
        # the state of the first epoch is saved by then, and the second is being trained or measured
        seen = any(line.startswith("epoch 1/3") for line in process.stdout)
        wait_for_state(killed)
        process.kill()
    assert seen
    assert process.returncode == -signal.SIGKILL
    assert "resumes in epoch" in repdyn("train", "--resume", "last", cwd=killed).stdout
    same(killed, whole)
