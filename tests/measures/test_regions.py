"""Planes, label maps, agreement and fragmentation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from torch import Tensor, nn

from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.measures.engine import engines
from repdyn.measures.features import all_features, pooled
from repdyn.measures.probes import fit_probe
from repdyn.measures.regions import (
    agreement,
    class_areas,
    fragmentation,
    grid_inputs,
    label_maps,
    plane_error,
    planes_through,
    point_weights,
)
from repdyn.measures.settings import MeasureSettings
from repdyn.records import ClassArray, class_dtype
from tests.support.networks import LOGITS, Residual


def triplets(seed: int, planes: int = 3, shape: tuple[int, ...] = (1, 4, 4)) -> Tensor:
    return torch.randn(planes, 3, *shape, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_plane_goes_through_its_anchors(seed: int) -> None:
    anchors = triplets(seed)
    planes = planes_through(anchors)
    coords = torch.as_tensor(planes.coords, dtype=torch.float32)
    for corner in range(3):
        a, b = coords[:, corner, :1], coords[:, corner, 1:]
        point = planes.origin + a * planes.v1 + b * planes.v2
        assert torch.allclose(point, anchors[:, corner].flatten(1), atol=1e-4)


def test_its_axes_are_orthonormal() -> None:
    planes = planes_through(triplets(0))
    assert torch.allclose((planes.v1 * planes.v2).sum(dim=1), torch.zeros(3), atol=1e-6)
    for v in (planes.v1, planes.v2):
        assert torch.allclose(v.norm(dim=1), torch.ones(3), atol=1e-6)


def test_the_grid_covers_the_anchors_with_a_margin() -> None:
    planes = planes_through(triplets(0), margin=0.5)
    low, high = planes.coords.min(axis=1), planes.coords.max(axis=1)
    np.testing.assert_allclose(planes.extent[:, 0], low[:, 0] - 0.5 * (high - low)[:, 0])
    np.testing.assert_allclose(planes.extent[:, 3], high[:, 1] + 0.5 * (high - low)[:, 1])


def test_anchors_on_one_line_are_refused() -> None:
    anchors = triplets(0)
    anchors[1, 2] = 2 * anchors[1, 1] - anchors[1, 0]
    with pytest.raises(UserError, match="one line"):
        planes_through(anchors)


def test_grid_points_come_row_by_row() -> None:
    anchors = torch.zeros(1, 3, 2)
    anchors[0, 1, 0] = anchors[0, 2, 1] = 1
    points = torch.cat(list(grid_inputs(planes_through(anchors, margin=0), 2, chunk=3)))
    assert points.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]


class HalfPlane(nn.Module):
    """Class 1 where the first coordinate exceeds ½."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([torch.full_like(x[:, 0], 0.5), x[:, 0]], dim=1)


def test_the_label_map_of_a_half_plane() -> None:
    anchors = torch.zeros(1, 3, 2)
    anchors[0, 1, 0] = anchors[0, 2, 1] = 1
    planes = planes_through(anchors, margin=0)
    maps = label_maps(HalfPlane(), [], {}, planes, 4, classes=2, reduce=pooled)
    assert maps.shape == (1, 1, 4, 4)
    assert maps[0, 0].tolist() == [[0, 0, 1, 1]] * 4


def test_label_maps_equal_a_point_by_point_forward_pass() -> None:
    torch.manual_seed(0)
    model, layer = Residual(), Layer("bn1", "bn1")
    x = torch.randn(60, 1, 4, 4)
    labels = np.arange(60) % 3
    probes = {}
    for watched in (layer, LOGITS):
        (features,), _ = all_features(model, [watched], x, reduce=pooled)
        probes[watched.name] = fit_probe(features.numpy(), labels, 3)
    planes = planes_through(triplets(1, planes=2))
    maps = label_maps(model, [layer, LOGITS], probes, planes, 5, classes=3, reduce=pooled, chunk=7)
    model.eval()
    for p in range(2):
        a_low, a_high, b_low, b_high = planes.extent[p]
        for row, b in enumerate(np.linspace(b_low, b_high, 5)):
            for column, a in enumerate(np.linspace(a_low, a_high, 5)):
                point = planes.origin[p] + float(a) * planes.v1[p] + float(b) * planes.v2[p]
                with torch.no_grad():
                    image = point.reshape(1, 1, 4, 4)
                    activation = model.bn1(model.stem(image)).mean(dim=(2, 3)).numpy()
                    output = model(image).numpy()
                said = [
                    probes["bn1"].predict(activation)[0],
                    probes["logits"].predict(output)[0],
                    output.argmax(),
                ]
                assert maps[:, p, row, column].tolist() == said


def test_agreement_is_the_share_of_equal_points() -> None:
    a = np.array([[[0, 0], [1, 1]], [[2, 2], [2, 2]]], dtype=np.uint8)
    b = np.array([[[0, 1], [1, 1]], [[2, 2], [0, 0]]], dtype=np.uint8)
    assert agreement(a, b) == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert agreement(np.stack([a, b]), np.stack([a, a])).tolist() == [1.0, 5 / 8]


def mean_on_finer_grid(values: NDArray[np.float64], finer: int) -> float:
    """Interpolate values (g, g) linearly along both axes, and take the mean over a finer grid."""
    ends = np.linspace(0, 1, len(values))
    points = np.stack(np.meshgrid(*[np.linspace(0, 1, finer)] * 2, indexing="ij"), axis=-1)
    return float(RegularGridInterpolator((ends, ends), values)(points).mean())


@given(side=st.integers(2, 12), cut=st.integers(1, 5), seed=st.integers(0, 10**6))
@settings(max_examples=50)
def test_weighted_points_stand_for_those_of_a_finer_grid(side: int, cut: int, seed: int) -> None:
    values = np.random.default_rng(seed).random((side, side))
    finer = cut * (side - 1) + 1  # each of its cells cut: the trapezoidal rule is then exact
    weighted = (point_weights(side, finer) * values).sum()
    assert weighted == pytest.approx(mean_on_finer_grid(values, finer), rel=1e-12)


@given(
    side=st.integers(2, 40), finer=st.integers(2, 400), slopes=st.tuples(*[st.floats(-9, 9)] * 4)
)
@settings(max_examples=50)
def test_weighted_points_are_exact_where_values_are_bilinear(
    side: int, finer: int, slopes: tuple[float, float, float, float]
) -> None:
    def mean(points: int, weights: NDArray[np.float64]) -> float:
        a, b = np.meshgrid(*[np.linspace(-1, 2, points)] * 2)
        c0, c1, c2, c3 = slopes
        return float((weights * (c0 + c1 * a + c2 * b + c3 * a * b)).sum())

    alike = np.full((finer, finer), 1 / finer**2)
    assert mean(side, point_weights(side, finer)) == pytest.approx(mean(finer, alike), abs=1e-9)
    assert point_weights(side, side) == pytest.approx(np.full((side, side), 1 / side**2))


def test_the_engine_weights_points_as_on_a_finer_grid() -> None:
    rng = np.random.default_rng(1)
    settings = MeasureSettings(similarity=("regions",), grid=4, drs_grid=10)
    engine = engines(settings, 1)["regions"]
    seen = [rng.integers(0, 3, (2, 5, 4, 4)).astype(np.uint8) for _ in range(2)]
    for maps in seen:
        engine.append(engine.observe(maps), np.zeros(2, bool))
    equal = [
        [mean_on_finer_grid(x.astype(float), 10) for x in layer] for layer in seen[0] == seen[1]
    ]
    assert engine.matrices[:, 0, 1] == pytest.approx(np.mean(equal, axis=1), abs=1e-6)
    assert engine.matrices[:, 0, 0] == pytest.approx(1)
    assert engine.errors is not None
    expected = [plain_error(by_plane, [0] * 5) for by_plane in equal]
    assert engine.errors[:, 0, 1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 10, 17, 300, 60_000])
def test_fragmentation_of_any_number_of_classes(classes: int) -> None:
    rng = np.random.default_rng(classes)
    maps = (
        rng.integers(0, classes, (3, 4, 4)).repeat(3, 1).repeat(2, 2).astype(class_dtype(classes))
    )
    noisy = np.less(rng.random(maps.shape), 0.3)
    maps[noisy] = rng.integers(0, classes, int(noisy.sum()))
    assert fragmentation(maps) == pytest.approx(np.mean([flooded(plane) for plane in maps]))


def flooded(plane: ClassArray) -> int:
    """Count the regions of a plane by flooding one after the other."""
    seen = np.zeros(plane.shape, bool)
    count = 0
    for start in np.ndindex(plane.shape):
        count += not seen[start]
        waiting = [] if seen[start] else [start]
        while waiting:
            i, j = waiting.pop()
            inside = 0 <= i < plane.shape[0] and 0 <= j < plane.shape[1]
            if inside and not seen[i, j] and plane[i, j] == plane[start]:
                seen[i, j] = True
                waiting += [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
    return count


def test_fragmentation_counts_the_regions_of_hand_made_maps() -> None:
    one = np.zeros((3, 3), dtype=np.uint8)
    checker = np.indices((3, 3)).sum(axis=0).astype(np.uint8) % 2
    stripes = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=np.uint8)
    assert fragmentation(one[None]) == 1
    assert fragmentation(checker[None]) == 9
    assert fragmentation(stripes[None]) == 3
    assert fragmentation(np.stack([one, checker, stripes])) == pytest.approx(13 / 3)


def test_equal_regions_on_neighbouring_planes_are_not_joined() -> None:
    assert fragmentation(np.zeros((2, 3, 3), dtype=np.uint8)) == 1


def test_class_areas_are_shares() -> None:
    maps = np.array([[[0, 0], [1, 3]]], dtype=np.uint8)
    assert class_areas(maps, 5).tolist() == [0.5, 0.25, 0, 0.25, 0]


def plain_error(shares: list[float], kinds: list[int]) -> float:
    """The standard error of a stratified mean, by loops."""
    total = 0.0
    for kind in set(kinds):
        own = [share for share, other in zip(shares, kinds, strict=True) if other == kind]
        mean = sum(own) / len(own)
        spread = sum((share - mean) ** 2 for share in own) / (len(own) - 1)
        total += (len(own) / len(shares)) ** 2 * spread / len(own)
    return math.sqrt(total)


@given(
    shares=st.lists(st.floats(0, 1), min_size=6, max_size=12),
    planes_of_first=st.integers(2, 4),
)
@settings(max_examples=40, deadline=None)
def test_its_error_is_that_of_a_stratified_mean(shares: list[float], planes_of_first: int) -> None:
    kinds = [0] * planes_of_first + [1] * (len(shares) - planes_of_first)
    found = plane_error(np.array([shares, shares[::-1]]), kinds)
    assert found[0] == pytest.approx(plain_error(shares, kinds), abs=1e-12)
    assert found[1] == pytest.approx(plain_error(shares[::-1], kinds), abs=1e-12)


def test_planes_of_one_kind_or_too_few_of_a_kind_count_as_one() -> None:
    shares = np.array([0.2, 0.4, 0.9])
    expected = shares.std(ddof=1) / 3**0.5
    assert plane_error(shares) == pytest.approx(expected)
    assert plane_error(shares, [1, 1, 1]) == pytest.approx(expected)
    assert plane_error(shares, [0, 0, 1]) == pytest.approx(expected)
    assert np.isnan(plane_error(shares[:1]))


def test_how_much_the_kinds_of_planes_differ_does_not_count() -> None:
    shares = np.array([0.1, 0.8, 0.1, 0.8])
    assert plane_error(shares, [0, 1, 0, 1]) == pytest.approx(0)


def test_the_engine_gives_the_error_of_each_pair_of_checkpoints() -> None:
    rng = np.random.default_rng(0)
    kinds = [0, 1, 0, 1, 0]
    engine = engines(MeasureSettings(similarity=("regions",)), 1, kinds)["regions"]
    seen = [rng.integers(0, 3, (2, 5, 4, 4)).astype(np.uint8) for _ in range(3)]
    for i, maps in enumerate(seen):
        engine.append(engine.observe(maps), np.array([i == 2, False]))
    assert engine.errors is not None
    assert engine.errors.shape == (2, 3, 3)
    equal = [(seen[0][1, p] == seen[1][1, p]).mean() for p in range(5)]
    assert engine.errors[1, 0, 1] == pytest.approx(plain_error(equal, kinds))
    assert engine.errors[1, 0, 0] == 0
    assert np.isnan(engine.errors[0, 2]).all()
