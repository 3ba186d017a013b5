"""Runs packed into one file come back; the demo's are whole."""

from dataclasses import replace

import numpy as np
import pytest

from repdyn.errors import UserError
from repdyn.score_key import ScoreKey
from repdyn.storage.bundle import Bundle, pack
from tests.storage.test_codec import assert_same
from tests.support import synthetic
from tui.demo.source import DemoSource


def test_a_packed_run_comes_back() -> None:
    record, planes, maps = synthetic.run(count=6, last=40)
    scores = {ScoreKey("fit_break", "cka"): 0.5, ScoreKey("fit_break_rank", "regions"): 0.25}
    record = replace(record, scores=scores)
    bundle = Bundle(pack([(record, planes, maps)]))
    assert bundle.summaries == [record.summary]
    run = record.summary.run_id
    read = bundle.record(run)
    assert_same(read.dynamics, record.dynamics)
    assert read.phases == record.phases
    assert dict(read.scores) == dict(record.scores)
    assert_same(read.curves["test/acc"], record.curves["test/acc"])
    last = bundle.label_maps(run, maps[-1].step)
    np.testing.assert_array_equal(last.fine, maps[-1].fine)
    drawn = bundle.planes(run)
    np.testing.assert_array_equal(drawn.anchors, planes.anchors[planes.fine])
    np.testing.assert_array_equal(drawn.labels, planes.labels[planes.fine])
    assert drawn.fine.tolist() == list(range(len(planes.fine)))
    assert bundle.sizes(run)["dynamics/cka.npy"] > 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip"])
def test_what_is_no_bundle_is_said(content: bytes) -> None:
    with pytest.raises(UserError, match="bundle of runs: damaged"):
        Bundle(content)


def test_the_demo_has_four_whole_runs() -> None:
    demo = DemoSource()
    (runs,) = demo.pages()
    assert {(run.params["arch"], run.params["opt"]) for run in runs} == {
        (arch, opt) for arch in ("resnet18", "vit_tiny_patch16_224") for opt in ("sgd", "adam")
    }
    for run in runs:
        record = demo.record(run.run_id)
        assert record.dynamics is not None
        layers, e = len(record.dynamics.layers), len(record.dynamics.steps)
        assert record.dynamics.similarity["cka"].shape == (layers, e, e)
        assert record.phases.fit is not None
        planes = demo.planes(run.run_id)
        maps = demo.label_maps(run.run_id, int(record.dynamics.steps[-1]))
        assert maps.fine.shape[:2] == (layers + 1, len(planes.fine))
        assert all(name.startswith("repdyn.") for name in run.tags)


def test_a_run_that_the_demo_lacks_is_said() -> None:
    with pytest.raises(UserError, match="no such run"):
        DemoSource().record("zzz")
