"""Wrong commands, settings, data folders and stores: a line that says what to do, exit code 2.

All but a few are called within this process: each process of its own would import torch again.
"""

import gzip
import os
import shlex
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from repdyn.cli import main
from repdyn.settings.schema import StoreConfig
from tests.support.bad_values import settings, special
from tests.support.dataset_files import write_folder, write_idx, write_picture
from tests.support.strange_store import pickled, write_runs

Prepare = Callable[[], object]
Outcome = tuple[int, str]


def nothing() -> None:
    pass


def yaml(text: str | bytes) -> Prepare:
    return lambda: Path("x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())


def mnist(name: str, content: bytes | None) -> Prepare:
    """Write the data set with one file that is another, or missing."""

    def write() -> None:
        write_idx(Path("data/MNIST/raw"))
        file = Path("data/MNIST/raw") / name
        file.unlink()
        if content is not None:
            file.write_bytes(content)

    return write


def idx(magic: int, *sides: int, content: bytes = b"") -> bytes:
    return struct.pack(f">{1 + len(sides)}I", magic, *sides) + content


def images(*names: str, content: bytes | None = None) -> Prepare:
    """Write an image folder, of which some files are no images or the only ones of their class."""

    def write() -> None:
        write_folder(Path("images"))
        for name in names:
            if content is None:
                write_picture(Path("images") / name, seed=7)
            else:
                (Path("images") / name).parent.mkdir(exist_ok=True)
                (Path("images") / name).write_bytes(content)

    return write


def evil_file() -> None:
    Path("evil.pth").write_bytes(pickled())


def among_images(kind: str) -> Prepare:
    """Write an image folder with a pipe, a socket or a device in it."""

    def write() -> None:
        write_folder(Path("images"))
        special(kind, "images/cat/x.png")()

    return write


def one_class() -> None:
    write_folder(Path("images"), classes=("cat",))


def without_test() -> None:
    write_folder(Path("images/train"))


def strange_test() -> None:
    write_folder(Path("images/train"))
    write_folder(Path("images/val"), classes=("cat", "cow"))


def all_the_same() -> None:
    for name in ("cat", "dog"):
        for i in range(5):
            write_picture(Path("images") / name / f"{i}.png", seed=0)


def text_as_database() -> None:
    Path("x.db").write_text("no database\n" * 100)


def folder_as_database() -> None:
    Path("x.db").mkdir()


def locked_folder() -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    Path("locked").mkdir(mode=0o500)


SPECIAL = ("pipe", "socket", "device")
X = "train --config x.yaml"
FOLDER = "train --dataset imagefolder:images"
MNIST = "train --dataset mnist --batch-size 8"

CASES: list[tuple[str, Prepare, str]] = [
    # commands
    ("tran", nothing, "train"),
    ("train extra", nothing, "extra"),
    ("show whole twin", nothing, "twin"),
    ("runs --limit", nothing, "--limit"),
    ("tui --unknown", nothing, "--unknown"),
    ("tui a b", nothing, "b"),
    ("report", nothing, "RUNS"),
    ("figures", nothing, "RUNS: give runs or a sweep"),
    ("figures nothing", nothing, "nothing"),
    ("figures a --format gif", nothing, "--format gif: choose from pdf, svg, png"),
    ("figures a --format=", nothing, "--format"),
    ("figures a --width 0", nothing, "--width 0: must be between 2 and 20 inches"),
    ("figures a --width 3.25,wide", nothing, "--width wide: give widths in inches"),
    ("figures a --width nan", nothing, "--width nan: give widths in inches"),
    ("figures a --scale log", nothing, "--scale"),
    ("doctor --data-dir", nothing, "--data-dir"),
    # settings of a training
    ("train --lerning-rate 1", nothing, "--lerning-rate"),
    ("train --lr 0", nothing, "--lr 0.0: must be above 0"),
    ("train --lr -1", nothing, "--lr"),
    ("train --lr nan", nothing, "--lr nan: must be"),
    ("train --lr inf", nothing, "--lr inf: must be"),
    ("train --lr 1e400", nothing, "--lr inf: must be"),
    ("train --lr fast", nothing, "--lr"),
    ("train --lr-factor 0", nothing, "--lr-factor 0.0: must be"),
    ("train --lr-factor 3 --lr 1", nothing, "give either --lr or --lr-factor"),
    ("sweep --lr-factor 1,3 --lr 1", nothing, "give either --lr or --lr-factor"),
    ("train --momentum 1", nothing, "--momentum 1.0: must be"),
    ("train --opt sgd --eps 1e-4", nothing, "--eps 0.0001: sgd has no epsilon"),
    ("train --warmup-epochs 200", nothing, "--warmup-epochs 200: must be at least 0 and less than"),
    ("sweep --opt sgd,adam --eps 1e-4", nothing, "--eps 0.0001: sgd has no epsilon"),
    ("train --weight-decay nan", nothing, "--weight-decay nan: must be"),
    ("train --batch-size 1", nothing, "--batch-size 1: must be at least 2"),
    ("train --batch-size 1001", nothing, "--batch-size 1001: there are only 1000 training images"),
    ("train --epochs 0", nothing, "--epochs 0: must be from 1 to"),
    ("train --epochs 1000000000000000", nothing, "--epochs 1000000000000000: must be"),
    ("train --save-every 0", nothing, "--save-every 0: must be"),
    ("train --seed -1", nothing, "--seed -1: must be"),
    ("train --seed 9223372036854775808", nothing, "--seed 9223372036854775808: must be"),
    ("train --seed 18446744073709551616", nothing, "--seed"),
    ("train --data-seed -5", nothing, "--data-seed -5: must be"),
    ("train --train-size 1", nothing, "--train-size 1: must be at least 2"),
    ("train --train-size 100000", nothing, "has only 1000 training images"),
    ("train --label-noise 1", nothing, "--label-noise 1.0: must be"),
    ("train --label-noise nan", nothing, "--label-noise nan: must be"),
    ("train --label-noise -0.1", nothing, "--label-noise -0.1: must be"),
    ("train --image-size 16", nothing, "only image folders are resized"),
    ("train --image-size 2", nothing, "--image-size 2: must be"),
    ("train --width 0", nothing, "--width 0.0: must be"),
    ("train --width inf", nothing, "--width inf: must be"),
    ("train --width 2 --arch convnext_tiny", nothing, "is neither"),
    ("train --arch resnet", nothing, "timm has no such model; did you mean"),
    ("train --arch ''", nothing, "--arch"),
    ("train --arch vit_tiny_patch16_224 --arch-arg depth=-1", nothing, "--arch-arg depth=-1"),
    ("train --arch vit_tiny_patch16_224 --arch-arg patch_size=100", nothing, "patch_size=100"),
    ("train --arch vgg11", nothing, "cannot build it for 8×8 images"),
    ("train --opt sdg", nothing, "did you mean"),
    ("train --opt lbfgs", nothing, "--opt lbfgs"),
    ("train --layers '['", nothing, "invalid regular expression"),
    ("train --layers conv9", nothing, "matches none of the layers"),
    ("train --checkpoints 1", nothing, "at least 2"),
    ("train --checkpoints 0,-1", nothing, "epochs start at 0"),
    ("train --checkpoints 0,1,999", nothing, "--checkpoints 999"),
    ("train --checkpoints ''", nothing, "--checkpoints"),
    ("train --probe-images 3", nothing, "--probe-images 3: must be"),
    ("train --probe-l2 0", nothing, "--probe-l2 0.0: must be"),
    ("train --cka-batch 3", nothing, "--cka-batch 3: must be"),
    ("train --planes 2", nothing, "--planes 2: must be"),
    ("train --plane-kinds ''", nothing, "--plane-kinds: give at least one of test, train, noisy"),
    ("train --plane-kinds train,x", nothing, "--plane-kinds x: unknown kind of plane"),
    (
        "train --label-noise 0 --plane-kinds noisy",
        nothing,
        "--plane-kinds noisy: no training label is wrong; choose from test, train",
    ),
    ("train --grid 1", nothing, "--grid 1: must be"),
    ("train --grid 17 --drs-grid 16", nothing, "--drs-grid 16: must be at least 17"),
    ("train --probe svm", nothing, "--probe"),
    ("train --device cuda", nothing, "--device cuda: "),
    ("train --device gpu", nothing, "--device"),
    ("train --precision fp8", nothing, "--precision"),
    ("train --on-nan ignore", nothing, "--on-nan"),
    # files of settings
    ("train --config missing.yaml", nothing, "--config missing.yaml: No such file"),
    ("train --config .", nothing, "--config .: Is a directory"),
    (X, yaml("- a\n- b\n"), "write settings as `name: value`"),
    (X, yaml("just words"), "write settings as `name: value`"),
    (X, yaml("a: [1,"), "invalid YAML"),
    (X, yaml("a: b: c"), "invalid YAML"),
    (X, yaml(b"\x00\x01\xff\xfe"), "invalid YAML"),
    (X, yaml("[" * 5000), "invalid YAML"),
    (X, yaml("!!python/object/apply:os.system ['touch x']"), "invalid YAML"),
    (X, yaml("arhc: resnet18"), "arhc"),
    (X, yaml("epochs: many"), "epochs"),
    (X, yaml("epochs: {a: 1}"), "epochs"),
    (X, yaml("epochs: [1, 2]"), "epochs"),
    (X, yaml("lr: .nan"), "--lr nan: must be"),
    (X, yaml("lr: -1"), "--lr -1.0: must be"),
    (X, yaml("checkpoints: {a: b}"), "--checkpoints"),
    (X, yaml("checkpoints: [a, b]"), "--checkpoints a b"),
    (X, yaml("1: 2"), "1"),
    (X, yaml("compile: perhaps"), "compile"),
    # data
    ("train --dataset digts", nothing, "did you mean digits"),
    ("train --dataset imagefolder", nothing, "write imagefolder:PATH"),
    ("train --dataset imagefolder:none", nothing, "there is no such folder"),
    ("train --dataset imagefolder:x.yaml", yaml(""), "there is no such folder"),
    (MNIST, mnist("train-images-idx3-ubyte", b""), "damaged"),
    (MNIST, mnist("train-images-idx3-ubyte", b"\x00" * 40), "damaged"),
    (MNIST, mnist("train-images-idx3-ubyte", idx(0x803, 2**31, 28, 28)), "damaged"),
    (MNIST, mnist("train-images-idx3-ubyte", idx(0x803, 40, 9, 9, content=bytes(3240))), "damaged"),
    (MNIST, mnist("train-labels-idx1-ubyte", idx(0x801, 3, content=bytes(3))), "damaged"),
    (MNIST, mnist("train-labels-idx1-ubyte", idx(0x801, 40, content=bytes([99] * 40))), "damaged"),
    (MNIST, mnist("t10k-labels-idx1-ubyte", gzip.compress(b"x" * 99)[:20]), "damaged"),
    (FOLDER, images("cat/x.png", content=b""), "cat/x.png: not a readable image"),
    (FOLDER, images("dog/x.jpg", content=b"\xff\xd8\xff" + bytes(99)), "not a readable image"),
    (FOLDER, images("solo/x.png"), "only one image"),
    (FOLDER, one_class, "1 classes; repdyn supports 2"),
    (FOLDER, without_test, "neither val/ nor test/"),
    (FOLDER, strange_test, "images of class cow"),
    (f"{FOLDER} --batch-size 2", all_the_same, "no three images"),
    (f"{FOLDER} --batch-size 100", images(), "--batch-size 100: there are only 8 training images"),
    (f"{FOLDER} --batch-size 2 --image-size 4 --arch vgg11", images(), "cannot build it for 4×4"),
    # stores
    ("train --tracking-uri nonsense://x", nothing, "nonsense://x"),
    ("train --tracking-uri http://127.0.0.1:9", nothing, "no MLflow server responds"),
    ("train --tracking-uri http://127.0.0.1:port", nothing, "http://127.0.0.1:port"),
    ("train --tracking-uri http://[", nothing, "http://["),
    ("train --tracking-uri sqlite:///x.db", text_as_database, "sqlite:///x.db"),
    ("train --tracking-uri sqlite:///x.db", folder_as_database, "sqlite:///x.db"),
    ("train --tracking-uri sqlite:////proc/none/x.db", nothing, "sqlite:////proc/none/x.db"),
    ("train --tracking-uri sqlite:///locked/x.db", locked_folder, "sqlite:///locked/x.db"),
    ("train --experiment deleted", nothing, "experiment deleted is deleted"),
    ("runs --tracking-uri sqlite:///none.db", nothing, "there is no such store"),
    ("runs --tracking-uri sqlite:///x.db", text_as_database, "sqlite:///x.db"),
    ("runs --experiment nothing", nothing, "there is no such experiment"),
    ("runs --limit 0", nothing, "--limit 0: must be at least 1"),
    ("runs --limit -3", nothing, "--limit -3: must be at least 1"),
    ("show --experiment bare", nothing, "has no runs yet"),
    # runs
    ("show zzz", nothing, "repdyn runs lists them"),
    ("show ''", nothing, "repdyn runs lists them"),
    (f"show {'f' * 32}", nothing, "there is no such run"),
    ("show twin", nothing, "ambiguous: matches several runs"),
    ("show sweep", nothing, "repdyn compare --sweep sweep"),
    ("show newer", nothing, "upgrade repdyn"),
    ("show damaged-matrices", nothing, "cka.npy: damaged"),
    ("show damaged-matrices --json", nothing, "cka.npy: damaged"),
    ("show damaged-layers", nothing, "layers.json: damaged"),
    ("show damaged-phases", nothing, "phases.json: damaged"),
    ("show linked", nothing, "points outside the run's folder"),
    ("analyze zzz", nothing, "repdyn runs lists them"),
    ("analyze whole", nothing, "has no saved checkpoints"),
    ("analyze odd-params", nothing, "lr"),
    ("analyze sweep", nothing, "sweep"),
    ("analyze damaged-weights --checkpoints 0,1", nothing, "was not saved"),
    ("analyze damaged-weights --planes 3 --bn running", nothing, "does not match this model"),
    ("analyze other-weights --planes 3 --in-place", nothing, "does not match this model"),
    ("analyze other-weights --grid 0", nothing, "--grid 0: must be"),
    ("train --resume zzz", nothing, "repdyn runs lists them"),
    ("train --resume stopped", nothing, "has no saved state and incomplete settings"),
    ("train --resume stopped-analysis", nothing, "has no saved state and incomplete settings"),
    ("train --resume stopped-damaged", nothing, "last.safetensors: is damaged"),
    ("train --resume stopped-pickled", nothing, "last.safetensors: is damaged"),
    ("train --resume stopped --lr 1", nothing, "--lr: a resumed run keeps its own settings"),
    ("train --resume sweep", nothing, "is a sweep"),
    # layers
    ("layers --arch nothing", nothing, "timm has no such model"),
    ("layers --dataset nothing", nothing, "there is no such data set"),
    ("layers --layers '('", nothing, "invalid regular expression"),
    ("layers --image-size 0", nothing, "--image-size 0: must be"),
    ("layers --arch-arg depth", nothing, "write key=value"),
    # sweeps
    ("sweep lr 1", nothing, "write settings as --name value"),
    ("sweep --lr ''", nothing, "a value is missing"),
    ("sweep --lr 1,,2", nothing, "a value is missing"),
    ("sweep --lr 1,x", nothing, "x"),
    ("sweep --opt sgd,nothing", nothing, "timm has no such optimizer"),
    ("sweep --arch resnet18,nothing", nothing, "timm has no such model"),
    ("sweep --seeds 0", nothing, "--seeds 0: must be at least 1"),
    ("sweep --seeds -1", nothing, "--seeds -1: must be at least 1"),
    ("sweep --seeds x", nothing, "--seeds"),
    ("sweep --preset nothing", nothing, "digits"),
    ("sweep --preset digits --config x.yaml", yaml(""), "give only one"),
    ("sweep --config x.yaml", yaml("opt: []"), "a value is missing"),
    ("sweep --config x.yaml", yaml("where: [1]"), "write rules as"),
    ("sweep --config x.yaml", yaml("- 1"), "write settings as"),
    ("sweep --config x.yaml", yaml("seeds: none"), "--seeds none: must be at least 1"),
    ("sweep --batch-size 9999", nothing, "--batch-size 9999: there are"),
    ("sweep --ray --cpus-per-run 0 --gpus-per-run -1", nothing, "--gpus-per-run -1"),
    ("import w --model m:f --data m:g --ray --gpus-per-task -1", nothing, "--gpus-per-task -1"),
    ("sweep --cpus-per-run nan", nothing, "--cpus-per-run nan"),
    ("sweep --tracking-uri http://127.0.0.1:9", nothing, "no MLflow server responds"),
    # comparisons
    ("compare", nothing, "give two or more runs"),
    ("compare whole", nothing, "give two or more runs"),
    ("compare whole whole", nothing, "whole: this run is given twice"),
    ("compare whole zzz", nothing, "repdyn runs lists them"),
    ("compare whole without-checkpoint", nothing, "has no checkpoint yet"),
    ("compare whole damaged-matrices", nothing, "cka.npy: damaged"),
    ("compare whole child --json --csv", nothing, "give only one"),
    ("compare --sweep whole", nothing, "is not a sweep"),
    ("compare --sweep sweep", nothing, "a comparison needs at least 2"),
    ("compare whole --sweep sweep", nothing, "omit the others"),
    ("report whole whole", nothing, "whole: this run is given twice"),
    ("report whole sweep", nothing, "sweep: is a sweep; give it alone"),
    ("report whole without-checkpoint", nothing, "has no checkpoint yet"),
    ("report whole --out none/x.html", nothing, "--out none/x.html: No such file"),
    ("show whole --json --csv", nothing, "give only one"),
    ("report sweep", nothing, "a comparison needs at least 2"),
    ("report zzz", nothing, "repdyn runs lists them"),
    ("analyze evil", evil_file, "--arch-arg checkpoint_path=evil.pth: repdyn sets"),
    ("train --resume evil-stopped", evil_file, "--arch-arg checkpoint_path=evil.pth: repdyn sets"),
    ("layers --arch-arg checkpoint_path=evil.pth", evil_file, "repdyn sets"),
    # sizes, and what would never end
    ("sweep --seeds 1000000000", nothing, "--seeds 1000000000: must be at least 1"),
    (f"sweep --name {'x' * 251}", nothing, "--name: 251 characters"),
    (X, yaml("arch: &a [*a]"), "more than 10,000 values"),
    (
        X,
        yaml(
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n"
                for i in range(9)
            )
        ),
        "more than 10,000 values",
    ),
    ("train --width 16 --arch resnet152", nothing, "of memory available"),
    ("train --arch vit_tiny_patch16_224 --arch-arg depth=100000", nothing, "more than 20,000"),
    *((X, special(kind, "x.yaml"), "is a pipe, a socket or a device") for kind in SPECIAL),
    *(
        (f"{FOLDER} --batch-size 2", among_images(kind), "cat/x.png: not a readable image")
        for kind in SPECIAL
    ),
    *((command, nothing, said) for command, said in settings()),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, blank_database: Path) -> StoreConfig:
    """Write the store that all cases share: none of them changes it."""
    folder = tmp_path_factory.mktemp("strange")
    shutil.copy(blank_database, folder / "mlflow.db")
    before = Path.cwd()
    os.chdir(folder)
    try:
        store = StoreConfig(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment="repdyn")
        write_runs(store)
    finally:
        os.chdir(before)
    return store


@pytest.fixture
def here(runs: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, the store named by the environment; nothing can be downloaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(runs.tracking_uri))
    return tmp_path


def running(store: StoreConfig) -> list[str]:
    client = MlflowClient(store.tracking_uri)
    experiments = [found.experiment_id for found in client.search_experiments()]
    return [run.info.run_name for run in client.search_runs(experiments, "status = 'RUNNING'")]


def assert_one_line(code: int | str | None, error: str, said: str) -> None:
    lines = [line for line in error.splitlines() if line.strip()]
    assert "Traceback" not in error
    assert len(lines) == 1, error
    assert lines[0].startswith("repdyn: ")
    assert said in lines[0]
    assert code == 2


@pytest.mark.parametrize(
    ("command", "prepare", "said"),
    CASES,
    ids=[f"{i}: {command[:50]}" for i, (command, *_) in enumerate(CASES)],
)
def test_bad_input_is_one_line_and_leaves_no_run(
    command: str,
    prepare: Prepare,
    said: str,
    runs: StoreConfig,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare()
    monkeypatch.setattr(sys, "argv", ["repdyn", *shlex.split(command)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert_one_line(stop.value.code, capsys.readouterr().err, said)
    assert not running(runs)
    assert not (here / "unpickled").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train --lr nan", "--lr nan: must be"),
        ("show damaged-matrices", "cka.npy: damaged"),
        pytest.param(
            "train --resume stopped-pickled",
            "last.safetensors: is damaged",
            marks=pytest.mark.slow,  # it imports what `train --arch resnet81` does in test_app.py
        ),
    ],
)
def test_bad_input_in_a_process_of_its_own(
    command: str, said: str, runs: StoreConfig, here: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "repdyn.cli", *shlex.split(command)], capture_output=True, text=True
    )
    assert_one_line(done.returncode, done.stderr, said)
    assert not running(runs)


def test_the_list_and_whole_runs_are_shown_beside_damaged_ones(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for command, shown in (("runs", "damaged-matrices"), ("show whole", "resnet18")):
        monkeypatch.setattr(sys, "argv", ["repdyn", *command.split()])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        said = capsys.readouterr()
        assert shown in said.out
        assert not said.err
