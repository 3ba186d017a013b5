"""torchvision's ResNet-18, as it is, on images of your own."""

import torch
import torchvision
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import repdyn

STEPS = 24

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None].repeat(1, 3, 1, 1) / 16
images = nn.functional.interpolate(images, size=32)
data = TensorDataset(images, torch.tensor(digits.target))
train, test = torch.utils.data.random_split(data, [1297, 500], torch.Generator().manual_seed(0))

torch.manual_seed(0)
model = torchvision.models.resnet18(num_classes=10)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
inputs = repdyn.Inputs.from_datasets(train, test, n=100, planes=0)
loader = DataLoader(train, batch_size=32, shuffle=True)

with repdyn.start_run(
    model,
    inputs,
    checkpoints=6,
    max_steps=STEPS,
    unit="step",
    layers=["maxpool", "layer?.?", "logits"],
    params={"arch": "resnet18", "lr": 1e-3},
) as run:
    run.measure(step=0)
    for step, (x, y) in enumerate(loader, start=1):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"train/loss": loss}, step)
        run.measure(step)
        if step == STEPS:
            break

print(f"measured run {run.run_id[:8]}; look at it with: repdyn tui")
