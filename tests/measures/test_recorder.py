"""The recorder on a network of its own, without training or MLflow."""

import contextlib
from typing import Any

import numpy as np
import pytest
import torch

from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.measures import probes
from repdyn.measures.cka import gram_vectors, stored
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Measurement, Recorder
from repdyn.measures.regions import agreement
from repdyn.measures.rows import cka_matrix
from repdyn.settings.schema import MeasureConfig
from tests.support.networks import LOGITS, Mlp, Residual
from tests.support.present import present

BN = Layer("bn1", "bn1")


def probe_data(noisy: bool = True) -> Inputs:
    g = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 40)
    flipped = np.arange(40) < (8 if noisy else 0)
    given = np.where(flipped, (true + 1) % 3, true)
    return Inputs(
        reference=torch.randn(24, 1, 4, 4, generator=g),
        labels=rng.integers(0, 3, 24),
        train=torch.randn(40, 1, 4, 4, generator=g),
        train_labels=given,
        given_labels=given,
        noisy=flipped,
        anchors=torch.randn(6, 3, 1, 4, 4, generator=g),
        fine=(0, 2),
        classes=3,
    )


def recorded(epochs: int = 3, **settings: Any) -> tuple[Recorder, list[Measurement]]:
    torch.manual_seed(0)
    recorder = Recorder([BN, LOGITS], probe_data(), MeasureConfig(grid=4, fine_grid=8, **settings))
    return recorder, [recorder.measure(Residual(), epoch) for epoch in range(epochs)]


def test_shapes_are_those_of_the_records() -> None:
    recorder, measurements = recorded()
    dynamics = recorder.dynamics
    assert dynamics.layers == ("bn1", "logits")
    assert dynamics.steps.tolist() == [0, 1, 2]
    assert dynamics.similarity["cka"].shape == dynamics.matrices("regions").shape == (2, 3, 3)
    assert dynamics.similarity["regions"][-1].shape == (3, 3)
    assert dynamics.probe_acc.shape == (2, 3, 3)
    assert dynamics.fragmentation.shape == (3, 3)
    assert dynamics.areas.shape == (3, 3, 3)
    assert present(measurements[0].label_maps).maps.shape == (3, 6, 4, 4)
    assert present(measurements[0].label_maps).fine.shape == (3, 2, 8, 8)


def test_the_matrices_are_those_of_the_parts() -> None:
    recorder, measurements = recorded()
    for i in range(2):
        rows = [m.summaries["cka"][i] for m in measurements]
        np.testing.assert_allclose(
            recorder.dynamics.similarity["cka"][i], cka_matrix(rows, rows), atol=1e-6
        )
    maps = [present(m.label_maps).maps for m in measurements]
    expected = [[agreement(a, b) for b in maps] for a in maps]
    np.testing.assert_allclose(
        recorder.dynamics.matrices("regions")[1], [[s[1] for s in r] for r in expected]
    )
    np.testing.assert_allclose(
        recorder.dynamics.similarity["regions"][-1], [[s[2] for s in r] for r in expected]
    )


def test_areas_sum_to_one() -> None:
    recorder, _ = recorded()
    np.testing.assert_allclose(recorder.dynamics.areas.sum(axis=2), 1, atol=1e-6)


def test_the_model_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    model = Residual().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    recorder = Recorder([BN, LOGITS], probe_data(), MeasureConfig(grid=4, fine_grid=8))
    recorder.measure(model, 0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
    assert torch.equal(random_state, torch.get_rng_state())


def test_precise_bn_makes_lagging_statistics_harmless() -> None:
    torch.manual_seed(0)
    model, data = Residual(), probe_data()
    lagging = Residual()
    lagging.load_state_dict(model.state_dict())
    lagging.get_buffer("bn1.running_mean").add_(0.5)
    lagging.get_buffer("bn1.running_var").mul_(5)
    rows = {}
    for bn in ("precise", "running"):
        recorder = Recorder([LOGITS], data, MeasureConfig(grid=2, fine_planes=0, bn=bn))
        rows[bn] = [
            recorder.measure(m, e).summaries["cka"][0] for e, m in enumerate((model, lagging))
        ]
    assert cka_matrix(rows["precise"][:1], rows["precise"][1:])[0, 0] == pytest.approx(1, abs=1e-5)
    assert cka_matrix(rows["running"][:1], rows["running"][1:])[0, 0] < 0.99


def test_rows_are_those_of_the_running_statistics_if_so_asked() -> None:
    torch.manual_seed(0)
    model, data = Residual(), probe_data()
    recorder = Recorder([LOGITS], data, MeasureConfig(grid=2, fine_planes=0, bn="running"))
    (expected,) = gram_vectors(model, [LOGITS], data.reference)
    np.testing.assert_allclose(
        recorder.measure(model, 0).summaries["cka"][0], stored(expected), atol=4e-3
    )


def test_without_noisy_examples_their_probe_accuracy_is_nan() -> None:
    recorder = Recorder([LOGITS], probe_data(noisy=False), MeasureConfig(grid=2, fine_planes=0))
    recorder.measure(Mlp(16), 0)
    assert np.isnan(recorder.dynamics.probe_acc[0, 0, 2])
    assert recorder.dynamics.probe_acc[0, 0, 1] > 0


@pytest.mark.parametrize(
    "settings", [{"probe": "ridge"}, {"probe_features": "flat"}, {"cka": "biased"}]
)
def test_every_setting_of_the_measures_changes_what_is_measured(settings: dict[str, Any]) -> None:
    plain, other = recorded()[0].dynamics, recorded(**settings)[0].dynamics
    measure = "cka" if "cka" in settings else "regions"
    assert not np.array_equal(plain.similarity[measure], other.similarity[measure])


class Breaking(Mlp):
    """Its first layer is constant or not finite where that is asked for."""

    def __init__(self) -> None:
        super().__init__(16)
        self.bad: float | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.bad is not None:
            with torch.no_grad():
                self.first.weight.zero_()
                self.first.bias.fill_(self.bad)
        return super().forward(x)


@pytest.mark.parametrize(("bad", "defined"), [(0.1, True), (float("nan"), False)])
def test_a_layer_that_breaks_is_named_and_has_no_similarity(bad: float, defined: bool) -> None:
    torch.manual_seed(0)
    layers = [Layer("first", "first"), LOGITS]
    recorder = Recorder(layers, probe_data(), MeasureConfig(grid=2, fine_planes=0))
    model = Breaking()
    assert recorder.measure(model, 0).undefined == ()
    model.bad = bad
    named = recorder.measure(model, 1).undefined
    assert named == (("first", "logits") if defined else ("first", "logits", "output"))
    dynamics = recorder.dynamics
    assert np.isnan(dynamics.similarity["cka"][:, 1]).all()
    assert np.isnan(dynamics.similarity["cka"][:, :, 1]).all()
    assert (dynamics.similarity["cka"][:, 0, 0] == 1).all()
    for array in (
        dynamics.matrices("regions")[:, 1],
        dynamics.similarity["regions"][-1][1],
        dynamics.probe_acc[:, 1, :2],
    ):
        assert np.isfinite(array).all() == defined
    assert np.isfinite(dynamics.fragmentation[:, 1]).all() == defined
    assert np.isfinite(dynamics.areas[:, 0]).all()


def test_an_epoch_that_does_not_come_after_the_last_is_refused() -> None:
    recorder, _ = recorded(2)
    with pytest.raises(UserError, match="does not come after 1"):
        recorder.measure(Residual(), 1)


def test_the_same_seed_gives_the_same_numbers() -> None:
    a, b = recorded()[0].dynamics, recorded()[0].dynamics
    for name in ("cka", "regions"):
        assert np.array_equal(a.similarity[name], b.similarity[name], equal_nan=True)
    for name in ("probe_acc", "fragmentation"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)


def test_gram_matrices_that_no_measure_wants_are_not_formed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def formed(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("repdyn.measures.passes.minibatch_grams", formed)
    for names, wanting in ((("regions",), False), (("regions", "cka"), True)):
        settings = MeasureConfig(similarity=names, grid=2, fine_planes=0)
        recorder = Recorder([BN, LOGITS], probe_data(), settings)
        with pytest.raises(AssertionError) if wanting else contextlib.nullcontext():
            recorder.measure(Residual(), 0)


def test_a_layer_whose_probe_is_not_solved_is_named_and_has_no_regions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    recorder = Recorder([BN, LOGITS], probe_data(), MeasureConfig(grid=2, fine_planes=0))
    assert recorder.measure(Residual(), 0).unsolved == ()
    with monkeypatch.context() as patch:
        patch.setattr(probes, "_ITERATIONS", 1)
        measured = recorder.measure(Residual(), 1)
    assert measured.unsolved == ("bn1", "logits")
    assert measured.undefined == ()
    assert recorder.measure(Residual(), 2).unsolved == ()
    dynamics = recorder.dynamics
    assert np.isfinite(dynamics.similarity["cka"]).all()
    for array in (
        dynamics.probe_acc[:, 1],
        dynamics.matrices("regions")[:, 1],
        dynamics.matrices("regions")[:, :, 1],
    ):
        assert np.isnan(array).all()
    assert np.isnan(dynamics.fragmentation[:-1, 1]).all()
    assert np.isnan(dynamics.areas[:-1, 1]).all()
    assert np.isfinite(dynamics.similarity["regions"][-1]).all()
    assert np.isfinite(dynamics.probe_acc[:, [0, 2]]).all()


class Lookup(torch.nn.Module):
    """Gives the class that the first pixel names the largest output."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = torch.nn.Identity()
        self.classes = classes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(self.classes) - x.flatten(1)[:, :1]
        y: torch.Tensor = self.layer(-place.abs().clamp(max=2.0))
        return y


def many_classes(classes: int = 300, output: int = 300) -> tuple[Recorder, Lookup]:
    images = torch.zeros(classes, 1, 2, 2)
    images[:, 0, 0, 0] = torch.arange(classes)
    anchors = torch.zeros(1, 3, 1, 2, 2)
    anchors[0, 1, 0, 0, 0], anchors[0, 2, 0, 1, 1] = classes - 1, 1
    labels = np.arange(classes)
    data = Inputs(
        images,
        labels,
        train=images,
        train_labels=labels,
        anchors=anchors,
        fine=(0,),
        classes=classes,
    )
    settings = MeasureConfig(grid=7, fine_grid=7, probe_l2=1e-6)
    return Recorder([Layer("layer", "layer")], data, settings), Lookup(output)


def test_300_classes_are_told_apart_and_come_back() -> None:
    recorder, model = many_classes()
    measured = recorder.measure(model, 0)
    dynamics = recorder.dynamics
    assert dynamics.probe_acc[0, 0, :2].tolist() == [1.0, 1.0]
    maps = present(measured.label_maps).maps
    assert maps.dtype == present(measured.label_maps).fine.dtype == np.uint16
    assert int(maps[-1].max()) == 299
    assert dynamics.areas.shape == (2, 1, 300)
    resumed, _ = many_classes()
    resumed.load_state(recorder.state(), dynamics, [({"cka": measured.summaries["cka"]}, maps)])
    after = [present(one.measure(model, 1).label_maps).maps for one in (recorder, resumed)]
    assert np.array_equal(after[0], after[1])
    assert np.array_equal(
        recorder.dynamics.matrices("regions"), resumed.dynamics.matrices("regions")
    )
    assert recorder.dynamics.similarity["regions"][-1][0, 1] == 1


def test_a_model_of_more_outputs_than_classes_is_refused() -> None:
    recorder, model = many_classes(classes=250, output=300)
    with pytest.raises(ValueError, match="a model of 300 outputs for 250 classes"):
        recorder.measure(model, 0)


class BreaksOff(Mlp):
    """Fails in the pass over a minibatch of CKA that is not the first, where that is asked for."""

    def __init__(self) -> None:
        super().__init__(16)
        self.left: int | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.left is not None and len(x) == 12:
            self.left -= 1
            if self.left < 0:
                raise MemoryError
        return super().forward(x)


def test_gram_matrices_of_a_measurement_that_broke_off_are_in_no_other() -> None:
    torch.manual_seed(0)
    settings = MeasureConfig(similarity=("cka", "knn"), cka_batch=12, neighbours=3)
    whole, other = (Recorder([LOGITS], probe_data(), settings) for _ in range(2))
    model = BreaksOff()
    for recorder in (whole, other):
        recorder.measure(model, 0)
    model.left = 1
    with pytest.raises(MemoryError):
        other.measure(model, 1)
    model.left = None
    for recorder in (whole, other):
        recorder.measure(model, 1)
    for name in settings.similarity:
        np.testing.assert_array_equal(
            whole.dynamics.similarity[name], other.dynamics.similarity[name]
        )
