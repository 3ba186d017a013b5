"""Reads checkpoints that other programs saved: a folder's, a model repository's, or your own pairs.

Whatever they come from, they are a `CheckpointSource`: its steps are known at once, and its weights
are read one checkpoint at a time.
"""

from repdyn.checkpoints.folder import from_folder
from repdyn.checkpoints.hub import from_hub
from repdyn.checkpoints.loading import load_weights
from repdyn.checkpoints.source import Checkpoint, CheckpointSource, from_pairs

__all__ = [
    "Checkpoint",
    "CheckpointSource",
    "from_folder",
    "from_hub",
    "from_pairs",
    "load_weights",
]
