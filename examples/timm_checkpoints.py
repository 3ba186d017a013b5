"""The checkpoints of timm's train.py, measured afterwards.

train.py keeps the last and best few: give it `--checkpoint-hist 1000` to keep all. Here timm's own
saver writes such a folder; with yours, skip to `from_folder`.
"""

from pathlib import Path

import timm
import torch
from sklearn.datasets import load_digits
from timm.utils import CheckpointSaver
from torch import nn
from torch.utils.data import TensorDataset, random_split

import repdyn
from repdyn.checkpoints import from_folder

OUTPUT = Path("output/train/vit-digits")
EPOCHS = 12


def make_model() -> nn.Module:
    return timm.create_model(
        "vit_tiny_patch16_224",
        img_size=8,
        patch_size=2,
        in_chans=1,
        num_classes=10,
        embed_dim=48,
        depth=4,
        num_heads=3,
    )


digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
data = TensorDataset(images, torch.tensor(digits.target))
train, test = random_split(data, [1297, 500], torch.Generator().manual_seed(0))


def train_with_timm() -> None:
    torch.manual_seed(0)
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    saver = CheckpointSaver(model, optimizer, checkpoint_dir=str(OUTPUT), max_history=1000)
    for epoch in range(EPOCHS):
        for x, y in torch.utils.data.DataLoader(train, 64, shuffle=True):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        saver.save_checkpoint(epoch, metric=-loss.item())


train_with_timm()
source = from_folder(OUTPUT)
inputs = repdyn.Inputs.from_datasets(train, test, n=300, planes=9)
record = repdyn.measure_checkpoints(source, make_model, inputs, run_name="timm")
print(f"measured {len(source.steps)} checkpoints; look at them with: repdyn tui")
