"""A training loop of your own: three lines measure it.

Digits, a tenth of the labels wrong, trained past perfect fit.
"""

from collections import OrderedDict

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset

import repdyn

EPOCHS = 50

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
labels = torch.tensor(digits.target)

generator = torch.Generator().manual_seed(0)
order = torch.randperm(len(images), generator=generator)
train, test = order[:600], order[600:1200]
noisy = torch.rand(len(train), generator=generator) < 0.1
given = torch.where(noisy, (labels[train] + 1) % 10, labels[train])

torch.manual_seed(0)
model = nn.Sequential(
    OrderedDict(
        block1=nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        block2=nn.Sequential(nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU()),
        hidden=nn.Sequential(nn.Flatten(), nn.Linear(288, 64), nn.ReLU()),
        head=nn.Linear(64, 10),
    )
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


@torch.no_grad()
def accuracy(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    model.eval()
    hits = model(inputs).argmax(1) == targets
    model.train()
    return hits.float().mean()


inputs = repdyn.Inputs.from_datasets(
    TensorDataset(images[train], given),
    TensorDataset(images[test], labels[test]),
    n=200,
    planes=6,
    noisy=noisy,
)

with repdyn.start_run(model, inputs, checkpoints=16, max_steps=EPOCHS, run_name="own loop") as run:
    run.measure(step=0)
    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(len(train)).split(50):
            loss = nn.functional.cross_entropy(model(images[train[batch]]), given[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        run.log(
            {
                "train/loss": loss,
                "train/acc": accuracy(images[train], given),
                "train/acc_noisy": accuracy(images[train[noisy]], given[noisy]),
                "test/acc": accuracy(images[test], labels[test]),
            },
            step=epoch,
        )
        run.measure(step=epoch)

print(f"measured run {run.run_id[:8]}; look at it with: repdyn tui")
