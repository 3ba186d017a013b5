"""The one line where same seeds need not give the same numbers, and where there is none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from repdyn.display.option_names import in_options
from repdyn.runs import reproducible
from repdyn.runs.experiment import prepare
from repdyn.settings.text import from_settings
from tests.e2e.conftest import repdyn

SETTINGS = {"epochs": "1", "checkpoints": "2", "planes": "3", "train_size": "70"}


@pytest.mark.parametrize(
    ("arch", "precision", "told"),
    [
        ("mobilenetv3_small_050", "bf16", True),
        ("efficientnet_lite0", "bf16", True),
        ("mobilenetv3_small_050", "fp32", False),
        ("resnet18", "bf16", False),
        ("regnetx_002", "bf16", False),  # in groups, but of several channels
    ],
)
def test_depthwise_convolutions_in_bf16_on_the_cpu_are_told(
    arch: str, precision: str, told: bool
) -> None:
    given = {"arch": arch, "precision": precision, "opt": "sgd", "lr": "0.01", "device": "cpu"}
    experiment = prepare(from_settings(SETTINGS | given))
    assert reproducible.notice(experiment) == (reproducible.NOTICE if told else "")
    on_gpu = replace(experiment, device=torch.device("cuda"))
    assert reproducible.notice(on_gpu) == ""


@pytest.mark.slow
def test_train_says_it_once(tmp_path: Path) -> None:
    given = SETTINGS | {"arch": "mobilenetv3_small_050", "precision": "bf16", "opt": "sgd"}
    given |= {"lr": "0.01", "device": "cpu", "probe_images": "50", "probe_train": "50"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    said = repdyn("train", *options, cwd=tmp_path).stdout
    assert said.splitlines().count(in_options(reproducible.NOTICE)) == 1
