"""The checkpoints that a model repository of Hugging Face keeps as revisions, as Pythia's does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from repdyn.checkpoints.folder import WHOLE_MODEL, whole_model
from repdyn.checkpoints.names import INDEX, number, without_extension
from repdyn.checkpoints.source import Checkpoint, CheckpointSource
from repdyn.checkpoints.weights_file import read_weights
from repdyn.errors import UserError


def from_hub(
    repo: str,
    revisions: str = "step*",
    *,
    strip_prefix: str | None = None,
    unit: str | None = None,
) -> CheckpointSource:
    r"""Find the checkpoints among the branches and tags of a model repository.

    The weights of one revision at a time are downloaded into a temporary folder, safetensors if
    there are, and deleted before the next. A revision is read as it is now, even if it moves.

    Args:
        repo: such as `EleutherAI/pythia-70m`.
        revisions: selects them: a glob, or a regular expression with a group `(?P<step>\d+)`.
        strip_prefix: as for `from_folder`.
        unit: of the steps; None takes it from the names, and is `step` where they do not tell.

    Raises:
        UserError: huggingface_hub is not installed, the repository cannot be reached, no revision
            matches or has a number, or two have the same step.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError:
        raise UserError(
            "from_hub: huggingface_hub is not installed; pip install 'repdyn[hub]'"
        ) from None
    api = HfApi()
    with _reaching(repo):
        refs = api.list_repo_refs(repo)
    commits = {ref.name: ref.target_commit for ref in [*refs.tags, *refs.branches]}
    found = number(sorted(commits), revisions, repo)

    def read(steps: Sequence[int]) -> Iterator[Checkpoint]:
        for step in steps:
            revision = found.by_step[step]
            commit = commits[revision]
            place = f"{repo}@{revision}"
            # mapped files cannot be deleted on Windows while someone holds their weights
            with TemporaryDirectory(prefix="repdyn-hub-", ignore_cleanup_errors=True) as folder:
                with _reaching(place):
                    whole = whole_model(api.list_repo_files(repo, revision=commit))
                    if whole is None:
                        raise UserError(f"{place}: has none of {', '.join(WHOLE_MODEL)}")
                    snapshot_download(
                        repo, revision=commit, local_dir=folder, allow_patterns=_parts(whole)
                    )
                # no name is bound to the weights, so that they are freed before the next are read
                yield Checkpoint(step, _read(Path(folder) / whole, strip_prefix, place), place)

    return CheckpointSource(
        tuple(found.by_step), unit or found.unit or "step", f"{repo}@{revisions}", read
    )


def _parts(whole: str) -> list[str]:
    """Return globs of the files that hold a model's weights: one, or an index and its shards."""
    if not whole.endswith(INDEX):
        return [whole]
    model = whole.removesuffix(INDEX)
    stem = without_extension(model)
    return [whole, f"{stem}-*-of-*{model.removeprefix(stem)}"]


def _read(path: Path, strip_prefix: str | None, place: str) -> dict[str, Tensor]:
    try:
        return read_weights(path, strip_prefix=strip_prefix)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # its clients raise their own, which differ between versions
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise UserError(f"{place}: cannot be read from Hugging Face ({reason})") from None
