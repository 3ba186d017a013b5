"""Change points of matrices of which the truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repdyn.analysis.change_points import (
    LEAST_GAIN,
    LEAST_SCATTER,
    ChangePoints,
    change_points,
    joint_change_points,
    log_epoch_weights,
)
from repdyn.analysis.steps import leaps, least_ratio
from tests.support.synthetic_runs import (
    EPOCHS,
    Speed,
    broken,
    constant,
    dynamics,
    path,
    pulsed,
    similarity,
)

LOG_SPACED = np.unique(np.rint(np.geomspace(1, 400, 60)).astype(np.int64))
SCHEDULES = {
    "log-spaced": LOG_SPACED,
    "dense early": np.union1d(LOG_SPACED, np.arange(1, 40)),
    "dense late": np.union1d(LOG_SPACED, np.arange(150, 300)),
    "every epoch": np.arange(1, 401),
}


def staged(*borders: int, alike: float = 0.4) -> np.ndarray:
    """Return the matrix of a layer that jumps at the borders and stands still between."""
    stage = np.digitize(EPOCHS, borders)
    return np.where(stage[:, None] == stage[None], 1.0, alike)


def neighbours(epoch: int) -> tuple[int, int]:
    """Return the checkpoints before and after a change at an epoch."""
    after = int(np.searchsorted(EPOCHS, epoch))
    return int(EPOCHS[after - 1]), int(EPOCHS[after])


def jumps(*borders: int) -> ChangePoints:
    """Return sharp changes at the epochs."""
    between = tuple(neighbours(border) for border in borders)
    return ChangePoints(tuple(after for _, after in between), between)


def noisy_jump(at: int, seed: int, scale: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = np.where(EPOCHS[:, None] < at, [1.0, 0.0], [0.0, 1.0])
    points = points + rng.normal(scale=scale, size=points.shape)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points @ points.T)


@pytest.mark.parametrize("borders", [(40,), (8, 80), (5, 20, 100)])
def test_jumps_between_stages_lie_between_neighbouring_checkpoints(
    borders: tuple[int, ...],
) -> None:
    assert change_points(staged(*borders, alike=0.2), EPOCHS) == jumps(*borders)


@pytest.mark.parametrize("seed", range(5))
def test_a_jump_under_noise_is_still_found(seed: int) -> None:
    assert change_points(noisy_jump(40, seed), EPOCHS) == jumps(40)


def leaping(at: int, drifting: float = 0.1) -> Speed:
    """Return the speed of a drift with a leap of about 2 at an epoch."""
    return lambda tau: np.where(np.abs(tau - np.log(at)) < 0.05, 20.0, drifting)


def along_a_line(speed: Speed, epochs: np.ndarray) -> np.ndarray:
    x = path(speed, epochs)
    products: np.ndarray = np.multiply.outer(x, x)
    return products


def slowing(tau: np.ndarray) -> np.ndarray:
    speed: np.ndarray = np.exp(-tau)
    return speed


FEW = np.unique(np.rint(np.geomspace(1, 200, 12)).astype(np.int64))
DRIFTS = [*map(constant, (0.02, 0.1, 0.5, 1, 2, 5)), slowing, broken(np.log(60), 1, 0.1)]


@pytest.mark.parametrize("speed", [*DRIFTS, pulsed(0.0)])
@pytest.mark.parametrize("epochs", [*SCHEDULES.values(), FEW], ids=[*SCHEDULES, "few"])
def test_a_drift_without_a_leap_has_no_change_point(epochs: np.ndarray, speed: Speed) -> None:
    """Whether it turns at every step, as under the Laplacian kernel, or goes straight on."""
    assert change_points(similarity(speed, epochs), epochs) == ChangePoints()
    assert change_points(along_a_line(speed, epochs), epochs) == ChangePoints()


def test_layers_that_only_drift_have_no_joint_change() -> None:
    layers = np.stack([similarity(speed) for speed in DRIFTS])
    assert joint_change_points(layers, EPOCHS) == ChangePoints()


def walk(rng: np.random.Generator, dimensions: int, epochs: np.ndarray) -> np.ndarray:
    spans = np.diff(np.log(epochs), prepend=0)
    return np.cumsum(rng.normal(size=(len(spans), dimensions)) * np.sqrt(spans)[:, None], axis=0)


@pytest.mark.parametrize("epochs", [LOG_SPACED, FEW], ids=["many", "few"])
@pytest.mark.parametrize("dimensions", [1, 2, 3, 5, 50])
def test_few_random_walks_have_a_change_point(dimensions: int, epochs: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        points = walk(rng, dimensions, epochs)
        found += change_points(points @ points.T, epochs) != ChangePoints()
    assert found <= 4


@pytest.mark.parametrize("place", range(2, len(FEW) - 1))
@pytest.mark.parametrize("drift", ["straight", "random walk"])
def test_a_leap_of_ten_steps_is_found_wherever_two_checkpoints_lie_on_each_side(
    place: int, drift: str
) -> None:
    spans = np.diff(np.log(FEW))
    if drift == "straight":
        points, step = np.log(FEW)[:, None], spans[place - 1]
    else:
        points = walk(np.random.default_rng(place), 10, FEW)
        step = np.sqrt(10 * spans[place - 1])
    leapt = points.copy()
    leapt[place:] += 10 * step * np.eye(points.shape[1])[0]
    found = change_points(leapt @ leapt.T, FEW)
    assert found.epochs == (FEW[place],)
    assert found.intervals == ((FEW[place - 1], FEW[place]),)
    assert change_points(points @ points.T, FEW) == ChangePoints()


@pytest.mark.parametrize("seed", range(5))
def test_noisy_blocks_without_a_leap_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = np.digitize(LOG_SPACED, [8, 60])
    noise = 0.2 / np.sqrt(50) * rng.normal(size=(len(block), 50))
    points = np.eye(50)[block] / 2 + noise
    borders = tuple(int(LOG_SPACED[border <= LOG_SPACED][0]) for border in (8, 60))
    assert change_points(points @ points.T, LOG_SPACED).epochs == borders


@pytest.mark.parametrize("at", [8, 60, 150])
def test_a_leap_within_a_drift_is_found_and_the_drift_is_not(at: int) -> None:
    ((low, high),) = change_points(similarity(leaping(at)), EPOCHS).intervals
    assert low <= at <= high
    assert high / low < 1.5


@pytest.mark.parametrize("at", [8, 60])
@pytest.mark.parametrize("schedule", ["dense early", "dense late", "every epoch"])
def test_changes_do_not_depend_on_where_checkpoints_are_dense(schedule: str, at: int) -> None:
    (expected,), (found,) = (
        change_points(similarity(leaping(at), SCHEDULES[name]), SCHEDULES[name]).epochs
        for name in ("log-spaced", schedule)
    )
    np.testing.assert_allclose(np.log(found), np.log(expected), atol=0.2)


def test_weights_are_the_log_epochs_nearest_to_a_checkpoint() -> None:
    weights = log_epoch_weights(np.array([1, 2, 8]))
    np.testing.assert_allclose(weights, np.log([2, 8, 4]) / 2)


def scatter(points: np.ndarray, weights: np.ndarray, a: int, b: int) -> float:
    mean = np.average(points[a:b], axis=0, weights=weights[a:b])
    return float(weights[a:b] @ ((points[a:b] - mean) ** 2).sum(axis=1))


def best_cuts(points: np.ndarray, weights: np.ndarray) -> tuple[int, ...]:
    """Return the cuts by a plain loop over all last stretches, each of two points at least."""
    n = len(points)
    price = LEAST_GAIN * scatter(points, weights, 0, n)
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for end in range(2, n + 1):
        best[end] = min(
            (
                best[start][0] + price + scatter(points, weights, start, end),
                (*best[start][1], start),
            )
            for start in range(end - 1)
            if start in best
        )
    return best[n][1][1:]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_changes_are_best_cuts_of_the_path_or_of_its_leaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(3, 3))[np.sort(rng.integers(0, 3, size=30))]
    points = points + rng.normal(scale=rng.choice([0.02, 0.1, 0.5]), size=points.shape)
    epochs = np.cumsum(rng.integers(1, 9, size=30))
    weights, at, kernel = log_epoch_weights(epochs), np.log(epochs), points @ points.T
    floor = LEAST_SCATTER  # of the scatter; far below what is drawn here
    far = leaps(kernel, at, least_ratio(kernel, floor), floor)
    steps = np.diff(points, axis=0) * far[:, None]
    leaping = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    cuts = {*best_cuts(points, weights), *(best_cuts(leaping, weights) if far.any() else ())}
    found = change_points(kernel, epochs)
    assert set(found.epochs) <= {int(epochs[cut]) for cut in cuts}
    assert all(
        low < epoch <= high
        for epoch, (low, high) in zip(found.epochs, found.intervals, strict=True)
    )


@pytest.mark.parametrize("scatter", [0.0, 1e-5])
def test_a_layer_that_stands_still_has_none(scatter: float) -> None:
    matrix = np.full((len(EPOCHS), len(EPOCHS)), 1 - scatter)
    np.fill_diagonal(matrix, 1)
    assert change_points(matrix, EPOCHS) == ChangePoints()


def test_leaving_the_initial_model_is_no_change_point() -> None:
    assert change_points(staged(1, alike=0.1), EPOCHS) == ChangePoints()


def test_a_matrix_with_nan_or_three_checkpoints_has_none() -> None:
    assert change_points(np.full((len(EPOCHS),) * 2, np.nan), EPOCHS) == ChangePoints()
    assert change_points(np.eye(3), np.array([0, 1, 2])) == ChangePoints()


def test_synchronous_layers_change_jointly_when_each_does() -> None:
    layers = np.stack([staged(40, alike=alike) for alike in (0.1, 0.5, 0.9)])
    assert joint_change_points(layers, EPOCHS) == jumps(40)


def test_staggered_layers_change_jointly_at_each_of_their_times() -> None:
    layers = np.stack([staged(8), staged(80)])
    assert joint_change_points(layers, EPOCHS).epochs == jumps(8, 80).epochs


def test_layers_that_move_much_do_not_decide_alone() -> None:
    layers = np.stack([staged(8, alike=0.0), staged(80, alike=0.99), staged(80, alike=0.99)])
    assert joint_change_points(layers, EPOCHS).epochs == jumps(8, 80).epochs
    assert change_points(layers.mean(axis=0), EPOCHS).epochs == jumps(8).epochs


def test_a_joint_change_is_as_uncertain_as_its_layers_disagree() -> None:
    near = np.stack([staged(at) for at in (32, 40, 50)])
    ((low, high),) = joint_change_points(near, EPOCHS).intervals
    assert low <= neighbours(32)[0]
    assert high >= neighbours(50)[1]


def test_still_layers_and_ones_with_nan_do_not_count() -> None:
    holed = staged(8)
    holed[3, 4] = np.nan
    layers = np.stack([np.ones_like(holed), holed, staged(40)])
    assert joint_change_points(layers, EPOCHS) == jumps(40)
    assert joint_change_points(layers[:2], EPOCHS) == ChangePoints()


SPEEDS = [leaping(12, 0.02), leaping(12, 0.01), leaping(100, 0.02), leaping(100, 0.01)]


@given(order=st.permutations(range(len(SPEEDS))))
@settings(max_examples=10, deadline=None)
def test_the_order_of_layers_does_not_matter(order: list[int]) -> None:
    layers = dynamics(SPEEDS).similarity["cka"][1:]
    expected = joint_change_points(layers, EPOCHS).epochs
    assert len(expected) == 2
    assert joint_change_points(layers[order], EPOCHS).epochs == expected


@given(factor=st.integers(2, 50))
@settings(max_examples=10, deadline=None)
def test_epochs_that_are_all_multiplied_multiply_what_is_found(factor: int) -> None:
    layers = dynamics(SPEEDS).similarity["cka"]
    found = joint_change_points(layers, EPOCHS)
    assert len(found.epochs) == 2
    scaled = joint_change_points(layers, EPOCHS * factor)
    assert scaled.epochs == tuple(epoch * factor for epoch in found.epochs)
    assert scaled.intervals == tuple((a * factor, b * factor) for a, b in found.intervals)
