"""A run session, driven by a plain loop over a network and tensors of its own."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from torch import nn

from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import compute_scores
from repdyn.display.reading import undefined
from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Recorder
from repdyn.records import Dynamics
from repdyn.report.figures.matrices import similarity_matrices
from repdyn.runs import session as module
from repdyn.runs import storing
from repdyn.runs.cross import cross_cka
from repdyn.runs.observer import Checkpoint, Observer
from repdyn.runs.past import load_past
from repdyn.runs.session import RunSession
from repdyn.settings.schema import MeasureConfig, StoreConfig
from repdyn.storage import schema
from repdyn.storage.locks import heartbeat
from repdyn.storage.reader import (
    artifact_sizes,
    load_label_maps,
    load_planes,
    load_run,
    load_summaries,
    saved_epochs,
)
from repdyn.storage.search import find_run
from repdyn.storage.writer import RunWriter
from tests.storage.test_codec import assert_same
from tests.support.present import present

ACCURACY = (0.2, 0.4, 0.7, 1.0, 1.0, 1.0, 1.0, 1.0)
DUE = (0, 1, 2, 3, 5, 7)
LAYERS = (Layer("first", "0"), Layer("second", "2"), Layer("logits", ""))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 3)
    )


def recorder(seed: int = 0, *more: str, unit: str = "epoch", planes: bool = True) -> Recorder:
    """Return a recorder whose reference images are drawn with a seed, with more measures."""
    g = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 40)
    data = Inputs(
        reference=torch.randn(24, 6, generator=torch.Generator().manual_seed(seed)),
        labels=rng.integers(0, 3, 24),
        train=torch.randn(40, 6, generator=g),
        train_labels=labels,
        given_labels=labels,
        noisy=np.arange(40) < 8,
        anchors=torch.randn(4, 3, 6, generator=g) if planes else None,
        fine=(0,) if planes else (),
        class_names=("a", "b", "c"),
    )
    similarity = ("cka", "regions", *more)
    settings = MeasureConfig(similarity=similarity, grid=4, fine_grid=6, cka_batch=12)
    return Recorder(LAYERS, data, settings, unit=unit)


class Loop:
    """A training that anyone may have written: it knows of a session what it calls."""

    def __init__(self) -> None:
        self.model = network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5)
        self.x, self.y = torch.randn(30, 6), torch.randint(0, 3, (30,))

    def train(self) -> None:
        loss = nn.functional.cross_entropy(self.model(self.x), self.y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def run(self, session: RunSession, start: int = 0, end: int = len(ACCURACY)) -> None:
        for step in range(start, end):
            if step:
                self.train()
            session.log(step, {"train/acc": ACCURACY[step], "test/acc": 0.5})
            if session.is_due(step):
                session.measure(self.model, step)


@pytest.fixture
def store(sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch) -> StoreConfig:
    """Return an empty store; no figures are drawn, which takes longer than all else."""
    monkeypatch.setattr(module, "standard_figures", lambda *_: {})
    return sqlite_store


@pytest.fixture
def theirs(
    store: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowClient]:
    """Let MLflow itself log to the store, as a user's program does."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(store.tracking_uri))
    client = MlflowClient()
    client.create_experiment("theirs", (tmp_path / "artifacts").as_uri())
    yield client
    while mlflow.active_run():
        mlflow.end_run()


class Noting(Observer):
    def __init__(self) -> None:
        self.checkpoints: list[Checkpoint] = []

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.checkpoints.append(checkpoint)


def experiment(client: MlflowClient) -> str:
    return str(present(client.get_experiment_by_name("theirs")).experiment_id)


def recorded_status(client: MlflowClient, run_id: str) -> str:
    return str(client.get_run(run_id).info.status)


def test_a_plain_loop_makes_a_whole_run(store: StoreConfig) -> None:
    measuring = recorder()
    session = RunSession.create(measuring, "mine", store, params={"lr": "0.5"}, due=DUE)
    with session:
        Loop().run(session)
    record = load_run(store, "mine")
    assert record.summary.status == "FINISHED"
    assert record.summary.params == {"lr": "0.5"}
    tags = record.summary.tags
    assert tags[schema.SCHEMA_TAG] == str(schema.SCHEMA_VERSION)
    assert tags[schema.LAYERS_TAG] == "3"
    assert tags[schema.LAST_CHECKPOINT_TAG] == "7"
    assert heartbeat.TAG in tags
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == list(DUE)
    assert_same(record.dynamics, measuring.dynamics)
    assert record.curves["train/acc"].values.tolist() == list(ACCURACY)
    assert record.phases.fit == ACCURACY.index(1.0)
    assert record.phases == find_phases(record.curves, record.dynamics)
    assert record.scores == pytest.approx(compute_scores(record.dynamics, record.phases))
    assert record.scores
    assert session.record is not None
    assert session.record.phases == record.phases
    assert saved_epochs(store, "mine") == list(DUE)
    assert load_planes(store, "mine").classes == ("a", "b", "c")


def test_the_observer_is_told_of_each_checkpoint_and_its_rows_and_maps_are_stored(
    store: StoreConfig,
) -> None:
    noting, loop = Noting(), Loop()
    with RunSession.create(recorder(), "mine", store, due=DUE, observer=noting) as session:
        loop.run(session)
    told = [checkpoint.measurement for checkpoint in noting.checkpoints]
    assert tuple(one.step for one in told) == session.steps == DUE
    for one in told:
        np.testing.assert_array_equal(
            load_summaries(store, "mine", "cka", one.step), np.stack(one.summaries["cka"])
        )
        assert_same(load_label_maps(store, "mine", one.step), present(one.label_maps))
    assert all(not one.not_finite and one.seconds > 0 for one in noting.checkpoints)


def test_steps_have_the_unit_that_the_recorder_was_told(store: StoreConfig) -> None:
    with RunSession.create(recorder(unit="tokens"), "mine", store, due=(0, 1)) as session:
        Loop().run(session, end=2)
    record = load_run(store, "mine")
    assert record.unit == "tokens"
    assert undefined(record)["test_min"] == "test accuracy is recorded at 2 tokens; 10 are needed"
    axes = similarity_matrices(record, "cka").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tokens", "tokens")
    MlflowClient(store.tracking_uri).set_tag(record.summary.run_id, schema.UNIT_TAG, "\x1b[2J")
    assert load_run(store, "mine").unit == "epoch", "what is no word is nobody's unit"


@pytest.mark.parametrize("unit", ["", "two words", "x" * 17, "a\n"])
def test_a_unit_is_one_short_word(unit: str) -> None:
    with pytest.raises(UserError, match="one word"):
        recorder(unit=unit)


def test_cka_between_runs_of_own_loops_needs_the_same_reference_images(
    store: StoreConfig, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("other", 1)):
        with RunSession.create(recorder(seed), name, store, due=(0, 1)) as session:
            Loop().run(session, end=2)
    a, b, other = (load_run(store, name) for name in ("a", "b", "other"))
    np.testing.assert_allclose(np.diagonal(cross_cka(a, b, store).values[0]), 1, atol=1e-3)
    with pytest.raises(
        UserError, match=re.escape("reference images differ (by their fingerprints)")
    ):
        cross_cka(a, other, store)
    tags = {name: text for name, text in b.summary.tags.items() if name != schema.INPUTS_TAG}
    unknown = replace(b, summary=replace(b.summary, tags=tags))
    with pytest.raises(UserError, match="not known for both runs"):
        cross_cka(a, unknown, store)
    for folder in [*tmp_path.rglob("grams")]:
        shutil.rmtree(folder)
    with pytest.raises(
        UserError, match="takes the Gram matrices of both, which are not all stored"
    ):
        cross_cka(a, b, store)


@pytest.mark.parametrize("with_planes", [True, False])
def test_figures_are_those_that_there_is_the_data_for(
    sqlite_store: StoreConfig, with_planes: bool
) -> None:
    measuring = recorder(planes=with_planes)
    with RunSession.create(measuring, "mine", sqlite_store, due=DUE) as session:
        Loop().run(session)
    stored = artifact_sizes(sqlite_store, "mine")
    figures = {path for path in stored if path.startswith("figures/")}
    assert schema.figure_path("curves") in figures
    assert (schema.figure_path("decision_regions") in figures) == with_planes
    assert {schema.PHASES, schema.TIMINGS} <= stored.keys()
    if not with_planes:
        with pytest.raises(UserError, match="no such artifact"):
            load_planes(sqlite_store, "mine")


def test_without_metrics_there_are_matrices_and_no_phase(store: StoreConfig) -> None:
    loop = Loop()
    with RunSession.create(recorder(), "mine", store, keeps_weights=False) as session:
        for step in range(3):
            session.measure(loop.model, step)
            loop.train()
    record = load_run(store, "mine")
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == [0, 1, 2]
    assert record.phases.markers() == {}
    assert saved_epochs(store, "mine") == []


def test_a_run_in_which_nothing_was_measured_ends_as_any_other(store: StoreConfig) -> None:
    with RunSession.create(recorder(), "mine", store, due=DUE) as session:
        session.log(0, {"train/acc": 0.5})
    record = load_run(store, "mine")
    assert record.summary.status == "FINISHED"
    assert record.dynamics is None


def test_only_steps_that_are_asked_for_are_due_and_each_once(store: StoreConfig) -> None:
    with RunSession.create(recorder(), "mine", store, due=[0, 3]) as session:
        assert [step for step in range(5) if session.is_due(step)] == [0, 3]
        session.measure(network(), 0)
        assert [step for step in range(5) if session.is_due(step)] == [3]


def test_weights_are_dropped_and_tensors_that_are_not_finite_are_named(store: StoreConfig) -> None:
    noting, model = Noting(), network()
    with torch.no_grad():
        model.get_parameter("4.bias")[0] = float("nan")
    with RunSession.create(recorder(), "mine", store, observer=noting) as session:
        for step in (0, 1):
            session.measure(model, step)
        session.drop_weights([0])
    assert saved_epochs(store, "mine") == [1]
    assert noting.checkpoints[0].not_finite == ("4.bias",)


@pytest.mark.parametrize(
    ("error", "status"),
    [(ZeroDivisionError, "FAILED"), (SystemExit, "FAILED"), (KeyboardInterrupt, "KILLED")],
)
def test_an_own_run_that_is_broken_off_says_so_and_stays_readable(
    store: StoreConfig, error: type[BaseException], status: str
) -> None:
    loop = Loop()

    def broken_off() -> None:
        with RunSession.create(recorder(), "mine", store, due=DUE) as session:
            loop.run(session, end=3)
            raise error

    with pytest.raises(error):
        broken_off()
    record = load_run(store, "mine")
    assert record.summary.status == status
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == [0, 1, 2]


def test_what_goes_wrong_at_the_end_is_a_failure_of_the_run(
    store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "standard_figures", broken)

    def whole() -> None:
        with RunSession.create(recorder(), "mine", store, due=DUE) as session:
            Loop().run(session)

    with pytest.raises(ZeroDivisionError):
        whole()
    assert find_run(store, "mine").status == "FAILED"


def test_a_run_that_is_gone_on_with_is_that_of_a_loop_never_stopped(store: StoreConfig) -> None:
    whole = recorder()
    with RunSession.create(whole, "whole", store, due=DUE) as session:
        Loop().run(session)
    loop, before = Loop(), recorder()

    def stopped() -> None:
        with RunSession.create(before, "stopped", store, due=DUE) as session:
            loop.run(session, end=3)
            weights.update({name: t.clone() for name, t in loop.model.state_dict().items()})
            probes.update(before.state())
            loop.run(session, start=3, end=5)
            raise KeyboardInterrupt

    weights: dict[str, torch.Tensor] = {}
    probes: dict[str, dict[str, torch.Tensor]] = {}
    with pytest.raises(KeyboardInterrupt):
        stopped()
    run = find_run(store, "stopped")
    assert run.status == "KILLED"
    # as if its state had been saved before step 3: what follows is measured again
    past, again = load_past(store, run.run_id, before=3), Loop()
    assert past is not None
    again.model.load_state_dict(weights)
    with RunSession.restart(recorder(), run.run_id, store, due=DUE) as session:
        session.load(past, probes)
        assert session.steps == (0, 1, 2)
        assert not session.is_due(2)
        again.run(session, start=3)
    one, other = load_run(store, "whole"), load_run(store, "stopped")
    assert other.summary.status == "FINISHED"
    assert one.dynamics is not None
    assert other.dynamics is not None
    assert_same(one.dynamics, other.dynamics)
    assert other.curves["train/acc"].values.tolist() == list(ACCURACY)
    assert (one.phases, one.scores) == (other.phases, other.scores)


def test_large_matrices_are_stored_less_often_and_whole_at_the_end(
    store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "OFTEN", 300)
    monkeypatch.setattr(storing, "BEHIND", 2)
    with RunSession.create(recorder(), "whole", store, due=range(8)) as session:
        for step in range(8):
            session.measure(network(), step)
            session.writer.flush()
            seen = load_run(store, session.run_id).dynamics
            assert seen is not None
            # with 2 checkpoints they are small still; then from each that is twice the last stored
            stored = (1, 2, 2, 4, 4, 4, 4, 8)[step]
            assert seen.steps.tolist() == list(range(stored))
            drifts = find_run(store, session.run_id).metrics.keys()
            assert "watched/fragmentation/first" in drifts
    monkeypatch.undo()
    assert_same(load_dynamics(store, "whole"), session.recorder.dynamics)


@pytest.fixture
def matrices_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store the matrices of small runs as seldom as those of large ones."""
    monkeypatch.setattr(storing, "OFTEN", 300)
    monkeypatch.setattr(storing, "BEHIND", 1)


@pytest.mark.usefixtures("matrices_behind")
def test_a_run_that_is_stopped_while_its_matrices_are_behind_loses_nothing(
    store: StoreConfig,
) -> None:
    session = RunSession.create(recorder(), "killed", store, due=DUE)
    for step in range(5):
        session.measure(network(), step)
    session.writer.flush()  # and the process is killed
    assert len(load_dynamics(store, "killed").steps) < 5
    past = load_past(store, session.run_id)
    assert past is not None
    with RunSession.restart(recorder(), session.run_id, store) as resumed:
        resumed.load(past)
        assert resumed.steps == (0, 1, 2, 3, 4)
    assert_same(load_dynamics(store, "killed"), session.recorder.dynamics)


@pytest.mark.usefixtures("matrices_behind")
def test_of_a_run_that_is_interrupted_all_matrices_are_stored(store: StoreConfig) -> None:
    def interrupted() -> None:
        with RunSession.create(recorder(), "stopped", store) as session:
            for step in range(4):
                session.measure(network(), step)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert load_dynamics(store, "stopped").steps.tolist() == [0, 1, 2, 3]


def load_dynamics(store: StoreConfig, run: str) -> Dynamics:
    found = load_run(store, run).dynamics
    assert found is not None
    return found


def test_what_is_written_of_large_matrices_grows_as_they_do() -> None:
    """E² and not E³: all that is written of the matrices is a few times what is left of them."""
    for most in (200, 400, 1000):
        stored = written = 0
        for e in range(1, most + 1):
            size = 4 * 10_000 * e * e
            if storing.are_due(e, stored, size):
                stored, written = e, written + size
        assert most - stored <= most / storing.BEHIND
        assert written < 10 * size + 10 * storing.OFTEN


def test_of_a_run_without_a_checkpoint_there_is_no_past(store: StoreConfig) -> None:
    with RunSession.create(recorder(), "mine", store):
        pass
    assert load_past(store, "mine", before=3) is None


def test_the_end_of_an_active_run_stays_with_its_owner(
    store: StoreConfig, theirs: MlflowClient
) -> None:
    with mlflow.start_run(experiment_id=experiment(theirs)) as active:
        mlflow.log_param("theirs", "1")
        mlflow.log_metric("theirs", 0.25, step=3)
        with RunSession.attach(recorder(), due=DUE) as session:
            Loop().run(session)
        run_id = active.info.run_id
        assert session.run_id == run_id
        assert recorded_status(theirs, run_id) == "RUNNING"
        assert find_run(store, run_id).status == "RUNNING"
        mlflow.log_metric("theirs", 0.5, step=4)
    record = load_run(store, run_id)
    assert record.summary.status == "FINISHED"
    assert record.summary.params == {"theirs": "1"}
    assert record.curves["theirs"].values.tolist() == [0.25, 0.5]
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == list(DUE)
    assert record.phases.fit == ACCURACY.index(1.0)
    assert record.scores
    assert record.summary.tags[schema.SCHEMA_TAG] == str(schema.SCHEMA_VERSION)
    assert record.summary.tags[schema.LAYERS_TAG] == "3"
    # else the run would count as dead when this process ends before its owner
    assert not {heartbeat.TAG, heartbeat.PID_TAG} & record.summary.tags.keys()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_session_that_is_broken_off_ends_no_run_of_others(
    store: StoreConfig, theirs: MlflowClient, error: type[BaseException]
) -> None:
    with mlflow.start_run(experiment_id=experiment(theirs)) as active:

        def broken_off() -> None:
            with RunSession.attach(recorder(), due=DUE) as session:
                Loop().run(session, end=2)
                raise error

        with pytest.raises(error):
            broken_off()
        assert recorded_status(theirs, active.info.run_id) == "RUNNING"
    record = load_run(store, active.info.run_id)
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == [0, 1]


def test_a_run_named_in_the_environment_is_attached_to(
    store: StoreConfig, theirs: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = theirs.create_run(experiment(theirs), run_name="handed over").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with RunSession.attach(recorder(), due=DUE) as session:
        Loop().run(session)
    assert session.run_id == run_id
    assert recorded_status(theirs, run_id) == "RUNNING"
    assert load_run(store, run_id).phases.fit == ACCURACY.index(1.0)
    with mlflow.start_run(run_id="", experiment_id=experiment(theirs)) as active:
        assert module.started_run() == active.info.run_id


def test_there_must_be_a_run_to_attach_to(store: StoreConfig, theirs: MlflowClient) -> None:
    with pytest.raises(UserError, match="no run to attach to"):
        RunSession.attach(recorder())
    with pytest.raises(UserError):
        RunSession.attach(recorder(), "0" * 32)


def test_measures_that_are_replaced_stay_until_the_new_ones_are_whole(store: StoreConfig) -> None:
    with RunSession.create(recorder(0, "knn"), "mine", store, due=DUE) as session:
        Loop().run(session)
    first = load_run(store, "mine").dynamics
    assert first is not None
    assert "knn" in first.similarity
    assert any(key.measure == "knn" for key in load_run(store, "mine").scores)
    loop = Loop()
    with RunSession.attach(
        recorder(), session.run_id, store, replaces_at_end=True, keeps_weights=False
    ) as again:
        for step in (0, 1):
            again.measure(loop.model, step)
            loop.train()
        again.writer.flush()
        between = load_run(store, "mine").dynamics
        assert between is not None
        assert_same(between, first)
    record = load_run(store, "mine")
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == [0, 1]
    assert list(record.dynamics.similarity) == ["cka", "regions"]
    assert not any(key.measure == "knn" for key in record.scores)
    assert record.summary.status == "FINISHED"


@pytest.mark.slow
def test_a_session_needs_no_command_line() -> None:
    """All that it imports, in a process of its own: this one has the command line."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, repdyn.runs.session; print('repdyn.cli' in sys.modules, "
            "'rich.console' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["False", "False"]


def images(store: StoreConfig, run_id: str) -> dict[str, set[int]]:
    """Return the steps of each image as MLflow's UI reads them from the names of the files."""
    found: dict[str, set[int]] = {}
    pairs: dict[str, set[str]] = {}
    for path in artifact_sizes(store, run_id):
        if path.startswith("images/"):
            stem, ending = path.removeprefix("images/").rsplit(".", 1)
            key, word, step, other, time, unique, *small = stem.split("+")
            assert (word, other, small) in (
                ("step", "timestamp", []),
                ("step", "timestamp", ["compressed"]),
            )
            assert int(time) > 0
            found.setdefault(key.replace("~", "/"), set()).add(int(step))
            pairs.setdefault(unique, set()).add(ending)
    assert all(endings == {"png", "webp"} for endings in pairs.values())
    return found


def test_mlflows_grid_has_the_matrices_at_some_steps_and_at_the_end(store: StoreConfig) -> None:
    with RunSession.create(recorder(), "mine", store, due=DUE) as session:
        Loop().run(session)
    shown, last = {DUE[0], DUE[3], DUE[-1]}, {DUE[-1]}
    assert images(store, session.run_id) == {
        "similarity/cka_by_step": shown,
        "similarity/regions_by_step": shown,
        "similarity/cka": last,
        "similarity/regions": last,
    }
    assert find_run(store, session.run_id).tags[schema.IMAGES_TAG] == "True"
    before = artifact_sizes(store, session.run_id).keys()
    again = RunSession.attach(recorder(), session.run_id, store, due=DUE, replaces_at_end=True)
    with again:
        Loop().run(again)
    assert artifact_sizes(store, session.run_id).keys() == before, "each image replaces the former"


def test_without_figures_there_are_no_images(store: StoreConfig) -> None:
    with RunSession.create(recorder(), "mine", store, due=DUE, figures=False) as session:
        Loop().run(session)
    assert images(store, session.run_id) == {}
    assert schema.IMAGES_TAG not in find_run(store, session.run_id).tags


def test_a_run_of_ones_own_has_mlflows_system_metrics_if_they_are_enabled(
    store: StoreConfig, theirs: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("ENABLE_SYSTEM_METRICS_LOGGING", "true"),
        ("SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01"),
    ):
        monkeypatch.setenv(f"MLFLOW_{name}", value)

    sampled = threading.Event()
    log = RunWriter.log_system_metrics

    def logged(writer: RunWriter, sample: int, metrics: Mapping[str, float]) -> None:
        log(writer, sample, metrics)
        sampled.set()

    monkeypatch.setattr(RunWriter, "log_system_metrics", logged)

    def has_system_metrics(session: RunSession, *, wait: bool = False) -> bool:
        with session:
            Loop().run(session)
            assert not wait or sampled.wait(60)
        return any(name.startswith("system/") for name in find_run(store, session.run_id).metrics)

    assert has_system_metrics(RunSession.create(recorder(), "mine", store, due=DUE), wait=True)
    owner = theirs.create_run(present(theirs.get_experiment_by_name("theirs")).experiment_id)
    assert not has_system_metrics(RunSession.attach(recorder(), owner.info.run_id, store, due=DUE))
