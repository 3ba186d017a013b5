"""Decision regions: planes through input space, label maps, their agreement and fragmentation.

Somepalli et al. (2022, *Can Neural Nets Learn the Same Model Twice?*): the class that a network
gives to each point of the plane through three images. The same map can be drawn for a linear probe
on a layer, which shows the decision regions that a linear reader of that layer would have. Decision-region
similarity (DRS) is the share of points with the same class in two maps, mean over planes; a coarse grid's
points can be weighted so that it is that of a finer grid, for fewer passes (`point_weights`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from torch import Tensor, nn

from repdyn.batches import Forward
from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.measures.engine import Engine, Summaries
from repdyn.measures.features import CHUNK, Reduce, part_features
from repdyn.measures.probes import LinearProbe
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.symmetric import GrowingMatrices
from repdyn.records import ClassArray, class_dtype

MARGIN = 0.25
"""How far a grid reaches beyond the anchors' bounding box, as a share of its sides."""

FEW_CLASSES = 16
"""So many are labelled faster one by one than all at once."""


@dataclass(frozen=True)
class Planes:
    """Planes x0 + a·v1 + b·v2 in the model's input space, v1 ⟂ v2 of length 1.

    Attributes:
        origin: x0, (P, D) float32.
        v1, v2: unit vectors, (P, D) float32.
        coords: (a, b) of the three anchors, (P, 3, 2) float64.
        extent: (a_min, a_max, b_min, b_max) of the grid, (P, 4) float64.
        shape: of one input.
    """

    origin: Tensor
    v1: Tensor
    v2: Tensor
    coords: NDArray[np.float64]
    extent: NDArray[np.float64]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.origin)

    def subset(self, indices: Sequence[int]) -> Planes:
        """Return some of the planes, in the given order."""
        i = list(indices)
        return Planes(
            self.origin[i], self.v1[i], self.v2[i], self.coords[i], self.extent[i], self.shape
        )


def planes_through(anchors: Tensor, margin: float = MARGIN) -> Planes:
    """Return the planes through triplets of inputs, (P, 3, ...) as the model takes them.

    v1 points from the first anchor to the second; v2 is the component of the direction to the third
    that is orthogonal to v1 (Gram-Schmidt).

    Raises:
        UserError: three anchors of a plane lie on one line.
    """
    shape = tuple(anchors.shape[2:])
    flat = anchors.flatten(2).double()
    x0, to1, to2 = flat[:, 0], flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    length1 = to1.norm(dim=1, keepdim=True)
    v1 = to1 / length1
    along = (to2 * v1).sum(dim=1, keepdim=True)
    across = to2 - along * v1
    length2 = across.norm(dim=1, keepdim=True)
    if not bool(((length1 > 0) & (length2 > 1e-6 * to2.norm(dim=1, keepdim=True))).all()):
        raise UserError("anchors: the three of a plane lie on one line; draw others")
    zero = torch.zeros_like(length1)
    a = torch.cat([zero, length1, along], dim=1)
    b = torch.cat([zero, zero, length2], dim=1)
    coords = torch.stack([a, b], dim=2).cpu().numpy()
    low, high = coords.min(axis=1), coords.max(axis=1)
    reach = margin * (high - low)
    low, high = low - reach, high + reach
    extent = np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)
    return Planes(x0.float(), v1.float(), (across / length2).float(), coords, extent, shape)


def grid_inputs(planes: Planes, side: int, chunk: int) -> Iterator[Tensor]:
    """Yield the inputs at the grid points of all planes, `chunk` at a time.

    Points are ordered by plane, then by b (rows), then by a (columns).
    """
    steps = np.linspace(0.0, 1.0, side)
    a = planes.extent[:, :1] + steps * (planes.extent[:, 1:2] - planes.extent[:, :1])
    b = planes.extent[:, 2:3] + steps * (planes.extent[:, 3:4] - planes.extent[:, 2:3])
    device, dtype = planes.origin.device, planes.origin.dtype
    a_at = torch.as_tensor(
        np.repeat(a[:, None, :], side, axis=1).reshape(-1), dtype=dtype, device=device
    )
    b_at = torch.as_tensor(
        np.repeat(b[:, :, None], side, axis=2).reshape(-1), dtype=dtype, device=device
    )
    plane = torch.arange(len(planes), device=device).repeat_interleave(side * side)
    for part in torch.arange(len(plane), device=device).split(chunk):
        p = plane[part]
        points = planes.origin[p]
        points = points + a_at[part, None] * planes.v1[p] + b_at[part, None] * planes.v2[p]
        yield points.reshape(-1, *planes.shape)


def label_maps(
    model: nn.Module,
    layers: Sequence[Layer],
    probes: Mapping[str, LinearProbe],
    planes: Planes,
    side: int,
    *,
    classes: int,
    reduce: Reduce,
    chunk: int = CHUNK,
    forward: Forward | None = None,
) -> ClassArray:
    """Return the class at each grid point predicted by each layer's probe and, last, by the output.

    Args:
        model: run in eval mode; its mode is restored.
        layers: whose probes to use.
        probes: by layer name, fitted to features of the same `reduce`.
        planes: the planes.
        side: grid points per side of a plane, g.
        classes: K, of the output and the probes.
        reduce: turns activations into features.
        chunk: points per forward pass.
        forward: calls the model; default: as a function of the points.

    Returns:
        (L+1, P, g, g); row index along v2, column index along v1.

    Raises:
        ValueError: the model has more outputs than there are classes.
        UserError: the model returns no tensor with an entry for each input.
    """
    weights = [_on(planes.origin.device, probes[layer.name]) for layer in layers]
    columns: list[Tensor] = []
    points = grid_inputs(planes, side, chunk)
    for features, output in part_features(model, layers, points, reduce=reduce, forward=forward):
        if output is None or output.dim() != 2:
            raise UserError("the model returns no score for each class; leave out the anchors")
        if output.shape[1] > classes:
            raise ValueError(f"a model of {output.shape[1]} outputs for {classes} classes")
        by_probe = [
            named[(x @ w + c).argmax(dim=1)]
            for x, (w, c, named) in zip(features, weights, strict=True)
        ]
        columns.append(torch.stack([*by_probe, output.argmax(dim=1)]).to(torch.int32))
    maps: ClassArray = torch.cat(columns, dim=1).cpu().numpy().astype(class_dtype(classes))
    return maps.reshape(len(layers) + 1, len(planes), side, side)


def _on(device: torch.device, probe: LinearProbe) -> tuple[Tensor, Tensor, Tensor]:
    """Return a probe's weights, intercepts and classes on the device."""
    weight = torch.as_tensor(probe.weight, dtype=torch.float32, device=device)
    bias = torch.as_tensor(probe.bias, dtype=torch.float32, device=device)
    return weight, bias, torch.as_tensor(probe.classes.astype(np.int64), device=device)


def agreement(a: ClassArray, b: ClassArray) -> NDArray[np.float64]:
    """Return the share of grid points with the same class, mean over planes (Somepalli et al. 2022).

    Args:
        a: label maps (..., P, g, g).
        b: of the same shape.

    Returns:
        (...) float64 in [0, 1].
    """
    share: NDArray[np.float64] = plane_agreement(a, b).mean(axis=-1)
    return share


def plane_agreement(
    a: ClassArray, b: ClassArray, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the share of each plane's grid points with the same class, (..., P).

    Args:
        a: label maps (..., P, g, g).
        b: of the same shape.
        weights: of the points, (g, g), with the sum 1 (default: all alike).
    """
    same = a == b
    share: NDArray[np.float64]
    if weights is None:
        share = same.mean(axis=(-2, -1))
    else:
        share = same.reshape(*same.shape[:-2], -1) @ weights.ravel()
    return share


def point_weights(side: int, finer: int) -> NDArray[np.float64]:
    """Return weights with which the points of a grid stand for those of a finer one.

    Both reach from edge to edge of a plane, so that of the coarser a larger part lies at the edges,
    where two networks agree less or more than between the images. The mean over the finer one is,
    along each axis, (1 - 1/G) times the integral over the axis, by the trapezoidal rule, plus 1/G times
    the mean of its two ends. Here the integral is that of the coarser grid.

    Args:
        side: points per side, g.
        finer: points per side of the finer grid, G; with G = g all weights are alike.

    Returns:
        (g, g), with the sum 1.
    """
    along = np.full(side, (1 - 1 / finer) / (side - 1))
    along[[0, -1]] = along[[0, -1]] / 2 + 1 / (2 * finer)
    return np.outer(along, along)


def plane_error(shares: NDArray[np.float64], kinds: Sequence[int] = ()) -> NDArray[np.float64]:
    """Return the standard error over planes of the mean of their values, (..., P) → (...).

    Planes are drawn independently of each other, a fixed number P_k of each kind, so a draw of other
    planes changes the mean by as much as planes vary within their kinds (stratified sampling; Cochran
    1977, §5.4): √(Σ_k P_k s_k²) / P. How much the kinds differ does not count. With fewer than two
    planes of a kind, s_k is unknown, and all planes count as one kind.

    Args:
        shares: a value for each plane.
        kinds: of the planes, (P,); without any, they are of one kind.

    Returns:
        float64; NaN of a single plane.
    """
    count = shares.shape[-1]
    if count < 2:
        return np.full(shares.shape[:-1], np.nan)
    found, sizes = np.unique(np.asarray(kinds, dtype=np.int64), return_counts=True)
    strata = [np.asarray(kinds) == kind for kind in found]
    if not strata or sizes.min() < 2:
        strata = [np.ones(count, dtype=bool)]
    variance = sum(s.sum() * shares[..., s].var(axis=-1, ddof=1) for s in strata)
    error: NDArray[np.float64] = np.sqrt(variance) / count
    return error


class RegionsEngine(Engine):
    """Agreement of the decision regions of each layer's probe and, last, of the output."""

    wants_maps = True

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        super().__init__(layers, settings)
        finer = settings.drs_grid
        self._weights = None if finer is None else point_weights(settings.grid, finer)
        self._maps: list[Summaries] = []
        self._broken: list[NDArray[np.bool_]] = []
        self._matrices = GrowingMatrices(layers + 1)
        self._errors = GrowingMatrices(layers + 1)

    def observe(self, maps: ClassArray | None) -> Summaries:
        """Return the label maps."""
        return [] if maps is None else list(maps)

    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Add a checkpoint's label maps."""
        self._maps.append(self.shelf.keep(summaries))
        self._broken.append(broken)
        shares = np.array(
            [
                [plane_agreement(here, before[i], self._weights) for before in self._maps]
                for i, here in enumerate(summaries)
            ]
        )
        shares[np.stack(self._broken, axis=1) | broken[:, None]] = np.nan
        self._matrices.append(shares.mean(axis=-1))
        self._errors.append(plane_error(shares, self.plane_kinds))

    @property
    def matrices(self) -> NDArray[np.float32]:
        """The agreement between all pairs of checkpoints, (L+1, E, E)."""
        return self._matrices.whole

    @property
    def errors(self) -> NDArray[np.float32]:
        """The standard errors over planes, (L+1, E, E)."""
        return self._errors.whole


_WITHIN_PLANE = np.zeros((3, 3, 3), dtype=bool)
_WITHIN_PLANE[1] = ndimage.generate_binary_structure(2, 1)


def fragmentation(maps: ClassArray) -> float:
    """Return the mean number of connected regions per plane in label maps (P, g, g).

    Points are connected along a row or a column, not diagonally.
    """
    present = np.unique(maps)
    if len(present) > FEW_CLASSES:
        return _components(maps) / len(maps)
    regions = sum(ndimage.label(maps == c, _WITHIN_PLANE)[1] for c in present)
    return regions / len(maps)


def _components(maps: ClassArray) -> int:
    """Return the number of connected regions of all planes; the time does not depend on K."""
    points = np.arange(maps.size, dtype=np.int32).reshape(maps.shape)
    across, down = maps[:, :, 1:] == maps[:, :, :-1], maps[:, 1:] == maps[:, :-1]
    first = np.concatenate([points[:, :, :-1][across], points[:, :-1][down]])
    second = np.concatenate([points[:, :, 1:][across], points[:, 1:][down]])
    equal = sparse.coo_array((np.ones(len(first), np.bool_), (first, second)), (maps.size,) * 2)
    count, _ = csgraph.connected_components(equal, directed=False)
    return int(count)


def class_areas(maps: ClassArray, classes: int) -> NDArray[np.float64]:
    """Return the share of points assigned to each class, (K,), in label maps (P, g, g)."""
    counts: NDArray[np.float64] = np.bincount(maps.ravel(), minlength=classes) / maps.size
    return counts
