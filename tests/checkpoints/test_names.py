import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.checkpoints.names import EXTENSIONS, MOST_STEP, number, step_in
from repdyn.errors import UserError


@pytest.mark.parametrize(
    ("name", "step", "unit"),
    [
        ("epoch=3-step=400.ckpt", 400, "step"),
        ("epoch=3-step=400-val_loss=0.52.ckpt", 400, "step"),
        ("epoch=3-val_loss=0.52.ckpt", 3, "epoch"),
        ("checkpoint-12.pth.tar", 12, None),
        ("checkpoint-500/model.safetensors", 500, None),
        ("checkpoint-500/model.safetensors.index.json", 500, None),
        ("step1000", 1000, "step"),
        ("stage1-step1000-tokens5B", 1000, "step"),
        ("step_100/model_v2.pt", 100, "step"),
        ("global_step20/mp_rank_00_model_states.pt", 20, "step"),
        ("iter_000100.pt", 100, "step"),
        ("1000_steps.pt", 1000, "step"),
        ("step10k.pt", 10_000, "step"),
        ("step2M.pt", 2_000_000, "step"),
        ("Epoch_7.PT", 7, "epoch"),
        ("resnet18_ep9.pth", 9, "epoch"),
        ("resnet18_e9.pth", 9, "epoch"),
        ("resnet50_20.pth", 20, None),
        ("model.1000.pt", 1000, None),
        ("lr1e-4_10.pt", 10, None),
        ("net10.loss0.25.pt", 10, None),
    ],
)
def test_step_in_a_name(name: str, step: int, unit: str | None) -> None:
    assert step_in(name) == (step, unit)


@pytest.mark.parametrize("name", ["last.ckpt", "model_best.pth.tar", "loss0.25.pt", "lr1e-4.pt"])
def test_names_without_a_whole_number(name: str) -> None:
    assert step_in(name) is None


@given(
    steps=st.sets(st.integers(0, MOST_STEP), min_size=1, max_size=8),
    form=st.sampled_from(
        ["step{}", "checkpoint-{}", "epoch={}", "run2/ckpt_{}", "a-epoch=3-step={}", "{}", "{:09d}"]
    ),
    extension=st.sampled_from(("", *EXTENSIONS)),
)
def test_steps_of_one_kind_of_names(steps: set[int], form: str, extension: str) -> None:
    names = {form.format(step) + extension: step for step in steps}

    found = number(sorted(names), None, "there")

    assert list(found.by_step) == sorted(steps)
    assert {name: step for step, name in found.by_step.items()} == names
    assert found.skipped == ()


@given(st.text(max_size=40))
def test_any_name_has_a_step_or_none(name: str) -> None:
    found = step_in(name)

    assert found is None or found[0] >= 0


def test_single_files_of_another_kind_are_skipped() -> None:
    found = number(["resnet18_1.pth", "resnet18_2.pth", "resnet18_best.pth", "last.pth"], None, "f")

    assert found.by_step == {1: "resnet18_1.pth", 2: "resnet18_2.pth"}
    assert found.skipped == ("resnet18_best.pth", "last.pth")


def test_a_glob_selects_files_folders_or_paths() -> None:
    names = ["a/step1.pt", "a/step2.pt", "b/step1.pt"]

    assert number(names, "a", "f").by_step == {1: "a/step1.pt", 2: "a/step2.pt"}
    assert number(names, "step2*", "f").by_step == {2: "a/step2.pt"}
    assert number(names, "b/*.pt", "f").by_step == {1: "b/step1.pt"}


def test_an_expression_says_where_the_step_is() -> None:
    names = ["epoch=1-step=10.ckpt", "epoch=2-step=20.ckpt", "other.ckpt"]

    found = number(names, r"epoch=(?P<step>\d+)", "f")

    assert list(found.by_step) == [1, 2]
    assert found.unit == "epoch"
    assert found.skipped == ("other.ckpt",)


@pytest.mark.parametrize(
    ("names", "pattern", "said"),
    [
        (["a1.pt", "b1.pt"], "*", "f: a1.pt and b1.pt both are step 1; select one by pattern"),
        (["a1.pt", "b2.pt"], None, "f: holds checkpoints of several kinds, a# (1), b# (1)"),
        (["last.pt"], None, "f: no number in the names last.pt; steps are read from names"),
        (["s1.pt"], "t*", "f: no name matches t*; names there: s1.pt"),
        (["s1.pt"], r"t(?P<step>\d+)", "f: no name matches t(?P<step>"),
        ([], "t*", "f: no name matches t*; it is empty"),
        (["s1.pt"], r"s(\d+)", r"pattern s(\d+): has no group named step; write (?P<step>\d+)"),
        (["s1.pt"], r"(?P<step>\d+", r"pattern (?P<step>\d+: invalid regular expression"),
        (["s1.pt"], "(?P<step>.*)", "its group step is 's1.pt' in s1.pt, no whole number"),
        (["s1.pt"], r"s1(?P<step>\d+)?", "its group step is None in s1.pt, no whole number"),
        ([f"s{2**63}.pt"], None, f"the step {2**63} is too large; correct it by pattern"),
    ],
)
def test_names_that_give_no_steps(names: list[str], pattern: str | None, said: str) -> None:
    with pytest.raises(UserError) as error:
        number(names, pattern, "f")

    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_two_programs_names_need_a_pattern() -> None:
    timm = [f"checkpoint-{n}.pth.tar" for n in range(3)] + [
        "milestone-2.pth.tar",
        "milestone-3.tar",
    ]

    with pytest.raises(UserError, match="several kinds"):
        number([*timm, "milestone-4.pth.tar"], None, "f")
    assert list(number(timm, "checkpoint-*", "f").by_step) == [0, 1, 2]
