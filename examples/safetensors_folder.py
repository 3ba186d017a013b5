"""A folder of .safetensors, one file a step: measured from the command line.

    repdyn import weights --model safetensors_folder:make_model --data safetensors_folder:make_inputs

This script writes such a folder and then runs that command.
"""

import subprocess
from pathlib import Path

import torch
from safetensors.torch import save_model
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset, random_split

import repdyn

digits = load_digits()
data = TensorDataset(
    torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
)
train, test = random_split(data, [1297, 500], torch.Generator().manual_seed(0))


def make_model() -> nn.Module:
    blocks = (nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(3))
    return nn.Sequential(*blocks, nn.Linear(64, 10))


def make_inputs() -> repdyn.Inputs:
    return repdyn.Inputs.from_datasets(train, test, n=400)


def write(folder: Path) -> None:
    torch.manual_seed(0)
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = (torch.stack([torch.as_tensor(one[i]) for one in train]) for i in range(2))
    folder.mkdir(exist_ok=True)
    for step in range(401):
        if step in (0, 1, 2, 5, 10, 20, 50, 100, 200, 400):
            save_model(model, str(folder / f"step-{step:04d}.safetensors"))
        batch = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()


if __name__ == "__main__":
    write(Path("weights"))
    here = Path(__file__).resolve()
    command = ["repdyn", "import", "weights", "--run-name", "safetensors"]
    command += ["--model", f"{here}:make_model", "--data", f"{here}:make_inputs"]
    subprocess.run(command, check=True)
