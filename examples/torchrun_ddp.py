"""Several processes: rank zero measures, the others wait.

torchrun --nproc-per-node 2 torchrun_ddp.py
"""

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset, random_split

import repdyn

EPOCHS = 12

dist.init_process_group("gloo")
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
data = TensorDataset(images, torch.tensor(digits.target))
train, test = random_split(data, [1297, 500], torch.Generator().manual_seed(0))

torch.manual_seed(0)
network = nn.Sequential(
    nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()),
    nn.Sequential(nn.Conv2d(16, 16, 3, stride=2), nn.ReLU()),
    nn.Flatten(),
    nn.Linear(144, 10),
)
model = DistributedDataParallel(network)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
sampler = DistributedSampler(train, seed=0)
loader = DataLoader(train, 32, sampler=sampler)
inputs = repdyn.Inputs.from_datasets(train, test, n=200, planes=6)

# all processes call the same methods
with repdyn.start_run(model, inputs, checkpoints=8, max_steps=EPOCHS, run_name="two ranks") as run:
    run.measure(step=0)
    for epoch in range(1, EPOCHS + 1):
        sampler.set_epoch(epoch)
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        run.log({"train/loss": loss}, step=epoch)
        run.measure(step=epoch)

if dist.get_rank() == 0:
    print(f"measured run {run.run_id[:8]}; look at it with: repdyn tui")
dist.destroy_process_group()
