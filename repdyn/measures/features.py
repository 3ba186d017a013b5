"""One forward pass → the activations of every watched layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from repdyn import batches
from repdyn.batches import Batch, Forward, output_tensor
from repdyn.calls import hooked
from repdyn.errors import UserError
from repdyn.eval_mode import evaluating, random_states_kept
from repdyn.layer import Layer, read, unread
from repdyn.wrappers import as_written, unwrapped

Reduce = Callable[[Layer, Tensor, Tensor | None], Tensor]
"""Turns a layer's activation (n, ...) into features (n, p).

Its last argument is the mask of the layer's tokens, (n, T) bool, False at padding; None for a layer
without tokens (n, T, d), or inputs without a mask.
"""

CHUNK = 250
"""Inputs per forward pass, by default."""

_DECODED = "decoder_input_ids"


def flat(layer: Layer, activation: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return a float32 copy as a matrix (n, p), the features of an image in memory order.

    The copy keeps what an in-place ReLU after the layer would overwrite. Padded tokens are zero.
    """
    del layer
    return as_matrix(activation, mask).to(torch.float32, copy=True)


def as_matrix(activation: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return an activation as a matrix (n, p), a view wherever its memory allows one.

    Feature maps in channels_last are flattened in that order, which saves a transposition: the Gram
    matrix does not depend on the order of the features, as long as it is the same for all images.
    Tokens that are not in the mask (n, T) are zero.
    """
    if mask is not None:
        activation = activation.masked_fill(~mask[..., None], 0)
    if activation.dim() == 4 and activation.is_contiguous(memory_format=torch.channels_last):
        activation = activation.permute(0, 2, 3, 1)
    return activation.detach().flatten(1)


def pooled(layer: Layer, activation: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the features (n, d) float32 that a linear probe sees.

    For a feature map, its spatial mean; for tokens, the leading class and register tokens and the
    mean of the others, concatenated, without those that are not in the mask (n, T); for a vector,
    the vector itself.
    """
    x = activation.detach().float()
    if x.dim() == 4:
        return x.mean(dim=(1, 2) if layer.channels == 3 else (2, 3))
    if x.dim() == 3:
        prefix, rest = x[:, : layer.prefix_tokens], x[:, layer.prefix_tokens :]
        kept = None if mask is None else mask[:, layer.prefix_tokens :]
        return torch.cat([prefix.flatten(1), _mean_of_tokens(rest, kept)], dim=1)
    return x.flatten(1).clone()


def _mean_of_tokens(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of tokens (n, T, d) over those in the mask; 0 if there are none."""
    if mask is None:
        return x.mean(dim=1)
    number = mask.sum(dim=1, keepdim=True).clamp(min=1)
    return x.masked_fill(~mask[..., None], 0).sum(dim=1) / number


class _Features:
    """The features of layers in a forward pass, as the passes over parts of the inputs fill them."""

    def __init__(self, reduce: Reduce) -> None:
        self._reduce = reduce
        self._part: Batch = ()
        self.of: dict[str, Tensor] = {}

    def start(self, part: Batch) -> None:
        """Forget what was seen: a pass over a part of the inputs follows."""
        self._part = part
        self.of.clear()

    def hook(self, layer: Layer, _module: nn.Module, _inputs: object, output: object) -> None:
        """Keep a layer's features.

        Raises:
            UserError: the output cannot be read, or the layer runs again; names the layer.
        """
        if layer.name in self.of and not layer.reused:
            raise UserError(f"layer {layer.name}: runs more than once per pass; do not watch it")
        n = batches.length(self._part)
        activation = read(output, n, layer.batch_axis)
        if activation is None or activation.dim() < 2:
            reason = unread(output, n) if activation is None else "returns one number per input"
            raise UserError(f"layer {layer.name}: {reason}; do not watch it")
        activation = activation.movedim(layer.batch_axis, 0)
        mask = self._mask_of(layer, activation)
        self.of[layer.name] = self._reduce(layer, activation, mask)

    def _mask_of(self, layer: Layer, activation: Tensor) -> Tensor | None:
        """Return the mask of a layer's tokens; None if it has none, or they are not those masked.

        Where a decoder takes tokens of its own, only the encoder's are masked.
        """
        mask = batches.token_mask(self._part)
        if mask is None or activation.dim() != 3 or activation.shape[:2] != mask.shape:
            return None
        if _DECODED in self._part and "encoder" not in layer.module.split("."):
            return None
        return mask.to(activation.device)


def layer_features(
    model: nn.Module,
    layers: Sequence[Layer],
    inputs: Batch,
    *,
    reduce: Reduce,
    chunk: int = CHUNK,
    forward: Forward | None = None,
) -> Iterator[tuple[list[Tensor], Tensor | None]]:
    """Yield, chunk by chunk, each layer's features and the output of the model; see `part_features`.

    Args:
        model: run in eval mode without gradients; its mode is restored.
        layers: whose features to return, in this order.
        inputs: (n, ...) as the model takes them.
        reduce: turns a layer's activation into features.
        chunk: inputs per forward pass; results do not depend on it.
        forward: calls the model instead.
    """
    parts = batches.split(inputs, chunk)
    return part_features(model, layers, parts, reduce=reduce, forward=forward)


def part_features(
    model: nn.Module,
    layers: Sequence[Layer],
    parts: Iterable[Batch],
    *,
    reduce: Reduce,
    forward: Forward | None = None,
) -> Iterator[tuple[list[Tensor], Tensor | None]]:
    """Yield each layer's features and the output of the model for one part of the inputs after another.

    Args:
        model: run in eval mode without gradients; its mode is restored.
        layers: whose features to return, in this order.
        parts: (c, ...) as the model takes them; each is one forward pass.
        reduce: `flat`, `pooled`, or another function of a layer's activation; it must not return a
            view, as an in-place ReLU may follow.
        forward: calls the model instead.

    Yields:
        Features, one (c, p) float32 tensor per layer, and the output (c, K) float32; None if the
        model returns no tensor with an entry for each input.

    Raises:
        UserError: a layer does not run, runs more than once, or returns no tensor that counts the
            inputs along its batch axis; names it.
    """
    model, seen = unwrapped(model), _Features(reduce)
    hooks = [(layer.module, partial(seen.hook, layer)) for layer in layers if layer.module]
    own = [layer for layer in layers if not layer.module]
    with evaluating(model), as_written(model), hooked(model, hooks):
        for part in parts:
            seen.start(part)
            output = output_tensor(batches.called(model, part, forward))
            for layer in own:
                seen.hook(layer, model, part, output)
            missing = [layer.name for layer in layers if layer.name not in seen.of]
            if missing:
                raise UserError(f"layer {missing[0]}: does not run; do not watch it")
            if output is not None and output.shape[:1] != (batches.length(part),):
                output = None
            yield [seen.of[x.name] for x in layers], None if output is None else output.float()


def all_features(
    model: nn.Module,
    layers: Sequence[Layer],
    inputs: Batch,
    *,
    reduce: Reduce,
    chunk: int = CHUNK,
    forward: Forward | None = None,
) -> tuple[list[Tensor], Tensor | None]:
    """Return each layer's features for all inputs, (n, p) each, and the output (n, K) or None."""
    parts = list(layer_features(model, layers, inputs, reduce=reduce, chunk=chunk, forward=forward))
    features = [torch.cat([part[0][i] for part in parts]) for i in range(len(layers))]
    outputs = [output for _, output in parts if output is not None]
    return features, torch.cat(outputs) if len(outputs) == len(parts) else None


def with_precise_bn(
    model: nn.Module, inputs: Batch, *, batch: int = 250, forward: Forward | None = None
) -> nn.Module:
    """Return a copy whose BatchNorm statistics are recomputed over the inputs ("precise BN").

    The running statistics are a moving average over the last steps, taken while the weights changed;
    when an epoch has few steps they lag, and a layer's CKA shows the lag. Wu & Johnson (2021,
    *Rethinking "Batch" in BatchNorm*): the average of the batches' means and unbiased variances
    under the current weights, each batch normalised by its own statistics, as in
    `torch.optim.swa_utils.update_bn`. Unlike there, all other modules are in eval mode (dropout and
    stochastic depth are off), frozen BatchNorms keep and use their statistics, and the global
    random state stays as it is.

    A BatchNorm is frozen if it keeps no running statistics, if it is in eval mode while the model
    is in training mode, or if its weight and bias require no gradients while other parameters of
    the model do. The mode of the whole model is not considered: it may be passed in either. A
    `Trainer` sets the whole model to training mode each epoch.

    Args:
        model: left unchanged. Without a BatchNorm to recompute, it is returned itself.
        inputs: (n, ...) training inputs, without augmentation.
        batch: batch size; a last batch of one is left out, as its variance is undefined.
        forward: calls the model instead.

    Returns:
        The copy, in eval mode, without DataParallel, DistributedDataParallel or `torch.compile`.
    """
    inner = unwrapped(model)
    names = _recomputed(inner)
    parts = [part for part in batches.split(inputs, batch) if batches.length(part) > 1]
    if not names or not parts:
        return model
    with evaluating(model), as_written(model), random_states_kept():
        twin = copy.deepcopy(inner)
        moments = [_Moments(cast("_BatchNorm", twin.get_submodule(name))) for name in names]
        for part in parts:
            batches.called(twin, part, forward)
        for each in moments:
            each.settle()
    return twin


class _Moments:
    """A BatchNorm's statistics over batches: each is normalised by its own, and they are averaged.

    Computed here in two passes, mean first: for feature maps in channels_last, PyTorch's own
    kernel in training mode is off by up to 1e-3 of a standard deviation on the CPU. The norm stays in
    eval mode, and is given the batch's statistics just before it runs.

    Args:
        norm: whose running statistics are replaced, unless it does not run.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        self._norm = norm
        self._sums: tuple[Tensor | float, Tensor | float] = (0.0, 0.0)
        self._runs = 0
        self._handle = norm.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, _module: nn.Module, args: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        x = (*args, *named.values())[0]
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        axes = [axis for axis in range(x.dim()) if axis != 1]
        mean = x.mean(axes, keepdim=True)
        variance = (x - mean).square_().mean(axes)
        self._give(mean.flatten(), variance)
        number = x.numel() // len(variance)
        unbiased = variance.double() * (number / (number - 1))
        self._sums = (self._sums[0] + mean.flatten().double(), self._sums[1] + unbiased)
        self._runs += 1

    def _give(self, mean: Tensor, variance: Tensor) -> None:
        cast("Tensor", self._norm.running_mean).copy_(mean)
        cast("Tensor", self._norm.running_var).copy_(variance)

    def settle(self) -> None:
        """Make the averages the norm's running statistics."""
        self._handle.remove()
        if self._runs:
            mean, variance = (cast("Tensor", total) / self._runs for total in self._sums)
            self._give(mean, variance)


def _recomputed(model: nn.Module) -> list[str]:
    """Return the names of the BatchNorms that are not frozen."""
    trains = any(p.requires_grad for p in model.parameters())

    def frozen(norm: _BatchNorm) -> bool:
        if norm.running_mean is None or not norm.track_running_stats:
            return True
        own = list(norm.parameters(recurse=False))
        fixed = trains and own and not any(p.requires_grad for p in own)
        return bool(fixed) or (model.training and not norm.training)

    norms = ((name, m) for name, m in model.named_modules() if isinstance(m, _BatchNorm))
    return [name for name, norm in norms if not frozen(norm)]
