"""A Lightning module and its Trainer: one callback measures it."""

import warnings

import torch
from lightning.pytorch import LightningModule, Trainer
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import repdyn
from repdyn.integrations.lightning import RepdynCallback

warnings.filterwarnings("ignore", "The '.*_dataloader' does not have many workers")


class Classifier(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        blocks = [nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1)) for _ in range(4)]
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(64, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)

    def training_step(self, batch, index):
        x, y = batch
        logits = self(x)
        loss = self.loss(logits, y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_acc", (logits.argmax(1) == y).float().mean(), on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_acc", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


digits = load_digits()
data = TensorDataset(
    torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
)
train, test = random_split(data, [1297, 500], torch.Generator().manual_seed(0))
inputs = repdyn.Inputs.from_datasets(train, test, n=400)

torch.manual_seed(0)
trainer = Trainer(
    max_epochs=20,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    callbacks=[RepdynCallback(inputs, checkpoints=20, run_name="lightning")],
)
trainer.fit(Classifier(), DataLoader(train, 64, shuffle=True), DataLoader(test, 500))
print("look at it with: repdyn tui")
