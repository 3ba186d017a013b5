"""Which modules of a model are the watched layers."""

from repdyn.layers.choice import Choice, choose_layers, watched_layers
from repdyn.wrappers import unwrapped

__all__ = ["Choice", "choose_layers", "unwrapped", "watched_layers"]
