"""BatchNorm folded into the convolution before it: the same function with fewer passes over memory.

In eval mode BatchNorm is an affine map of each channel, so one convolution with adjusted weights does
both (Jacob et al. 2018, *Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference*, §3.2). Activations differ by float32 rounding.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection
from typing import cast

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from repdyn.eval_mode import evaluating

Pair = tuple[str, str]
"""Names of a convolution and of the BatchNorm that is the only reader of its output."""


def foldable(model: nn.Module, watched: Collection[str]) -> tuple[Pair, ...]:
    """Return the pairs of a model that can be folded.

    Args:
        model: traced symbolically, not run; if torch.fx cannot trace it, because its control flow
            depends on its inputs, nothing is folded.
        watched: names of modules whose output is measured; such a convolution is not folded.
    """
    modules = dict(model.named_modules())
    if not any(type(module) is nn.BatchNorm2d for module in modules.values()):
        return ()
    try:
        with evaluating(model):
            nodes = [n for n in fx.Tracer().trace(model).nodes if n.op == "call_module"]
    except Exception:  # what a model's own code raises on symbolic inputs may be anything
        return ()
    calls = Counter(id(modules[str(node.target)]) for node in nodes)

    def plain(node: fx.Node, kind: type[nn.Module]) -> bool:
        """Return whether a node is the only call of a module of exactly this type, without hooks."""
        module = modules[str(node.target)]
        hooked = module._forward_hooks or module._forward_pre_hooks
        return type(module) is kind and calls[id(module)] == 1 and not hooked

    pairs = [(node.args[0], node) for node in nodes if plain(node, nn.BatchNorm2d)]
    return tuple(
        (str(conv.target), str(bn.target))
        for conv, bn in pairs
        if isinstance(conv, fx.Node)
        and conv in nodes
        and plain(conv, nn.Conv2d)
        and len(conv.users) == 1
        and conv.target not in watched
        and modules[str(bn.target)].running_mean is not None
    )


def folded(model: nn.Module, pairs: Collection[Pair]) -> nn.Module:
    """Return a copy in eval mode whose pairs are folded; each BatchNorm is replaced by an identity.

    Args:
        model: left unchanged; without pairs it is returned itself.
        pairs: from `foldable` of a model of the same structure.
    """
    if not pairs:
        return model
    with evaluating(model):
        instead: dict[int, nn.Module] = {}
        for name, bn_name in pairs:
            conv = cast("nn.Conv2d", model.get_submodule(name))
            bn = cast("nn.BatchNorm2d", model.get_submodule(bn_name))
            instead[id(conv)] = fuse_conv_bn_eval(conv, bn)
            instead[id(bn)] = nn.Identity()
        return copy.deepcopy(model, instead)
