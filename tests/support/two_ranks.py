"""Run by torchrun in two processes: the same training with DDP, FSDP or neither, measured."""

import sys
import time
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import repdyn
from repdyn.errors import UserError

SECONDS = 4
"""Time limit of the training's own collectives; the slowest measurement takes longer."""

G = torch.Generator().manual_seed(0)
X, Y = torch.randn(32, 6, generator=G), torch.randint(0, 3, (32,), generator=G)


class Slow(nn.Module):
    """Takes long when it is measured at one of the steps."""

    seconds = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            time.sleep(self.seconds)
        for layer in self.layers:
            x = torch.relu(layer(x))
        y: Tensor = self.head(x)
        return y


def new_model() -> Slow:
    torch.manual_seed(0)
    return Slow()


def main(kind: str) -> None:
    dist.init_process_group("gloo", timeout=timedelta(seconds=SECONDS))
    rank = dist.get_rank()
    network = new_model()
    model: nn.Module = network
    if kind == "ddp":
        model = DistributedDataParallel(network)
    if kind == "fsdp":
        for layer in network.layers:
            fully_shard(layer)
        fully_shard(network)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = repdyn.Inputs(X[:16], Y[:16], train=X, train_labels=Y)
    settings = repdyn.MeasureSettings(similarity=("cka",), cka_batch=16)
    try:
        repdyn.start_run(model, inputs, layers=["nothing"], make_model=new_model)
    except UserError as error:
        print(f"rank {rank}: refused {error}", flush=True)
    with repdyn.start_run(
        model, inputs, run_name=kind, settings=settings, make_model=new_model
    ) as run:
        for step in range(3):
            network.seconds = SECONDS / 2 if step == 1 and kind == "ddp" else 0.0
            run.measure(step)
            part = slice(rank * 16, rank * 16 + 16)
            loss = nn.functional.cross_entropy(model(X[part]), Y[part])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            run.log({"train/loss": loss}, step)
    print(f"rank {rank}: run {run.run_id}, record {run.record is not None}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
