"""`repdyn import`: measure the checkpoints that another program saved."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from repdyn.checkpoints import from_folder
from repdyn.cli.console import new_console
from repdyn.cli.progress import MeasuringObserver
from repdyn.cli.summary import sum_up
from repdyn.errors import SettingError, UserError
from repdyn.measures.inputs import Inputs
from repdyn.measures.settings import MeasureSettings
from repdyn.runs.importing import measure_checkpoints
from repdyn.runs.ray_tasks import RayTasks
from repdyn.settings.schema import StoreConfig
from repdyn.storage.search import find_run


def run_import(
    path: Path,
    model: str,
    data: str,
    settings: MeasureSettings,
    store: StoreConfig,
    *,
    pattern: str | None,
    key: str | None,
    strip_prefix: str | None,
    unit: str | None,
    checkpoints: int | tuple[int, ...] | None,
    layers: str,
    run_name: str | None,
    resume: str | None,
    ray: RayTasks | None,
) -> None:
    """Run the whole of `repdyn import`; arguments are those of the command.

    Raises:
        UserError: a checkpoint cannot be read, or does not fit the model; a function is not found.
    """
    source = from_folder(path, pattern, key=key, strip_prefix=strip_prefix, unit=unit)
    make_model, make_inputs = _function("model", model), _function("data", data)
    if ray is not None:
        ray = replace(ray, setup=partial(_import_both, model, data))
    run_id = None if resume is None else find_run(store, resume).run_id
    console = new_console()
    record = measure_checkpoints(
        source,
        _checked(make_model, model),
        _inputs(make_inputs(), data),
        checkpoints=checkpoints,
        run_name=run_name,
        run_id=run_id,
        layers=layers,
        settings=settings,
        tracking_uri=store.tracking_uri,
        experiment=store.experiment,
        ray=ray,
        observer=MeasuringObserver(console, source.unit),
    )
    sum_up(console, record, store)


def _import_both(model: str, data: str) -> None:
    """Import, in a worker, the files that the model's class and the inputs' function are from."""
    _function("model", model)
    _function("data", data)


def _checked(make_model: Callable[[], Any], said: str) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        model = make_model()
        if not isinstance(model, nn.Module):
            raise SettingError(
                "model", said, f"returns a {type(model).__name__}, not a torch module"
            )
        return model

    return made


def _inputs(given: Any, said: str) -> Inputs:
    """Return the inputs that a function returned, or drawn from the data sets that it did."""
    if isinstance(given, Inputs):
        return given
    if isinstance(given, tuple | list) and len(given) == 2:
        return Inputs.from_datasets(*given)
    raise SettingError(
        "data",
        said,
        f"returns a {type(given).__name__}; it must return repdyn.Inputs, or a training and a test set",
    )


def _function(option: str, said: str) -> Callable[[], Any]:
    """Return a function by `package.module:name` or `file.py:name`.

    Raises:
        SettingError: there is none.
    """
    place, colon, name = said.rpartition(":")
    if not colon or not place or not name:
        raise SettingError(option, said, "write package.module:function or file.py:function")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else _from_path(place)
    except UserError:
        raise
    except Exception as error:  # the user's own code may raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise SettingError(
            option, said, f"cannot be imported ({type(error).__name__}: {reason})"
        ) from error
    found: object = getattr(module, name, None)
    if not callable(found):
        raise SettingError(option, said, f"there is no function {name} in {place}")
    return found


def _from_path(name: str) -> ModuleType:
    """Import a module, also from the working folder, as Python itself does."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module(name)


def _from_file(path: Path) -> ModuleType:
    """Import a file, once, with its folder's modules in reach.

    Its name here is one that no other module has: a file may be called random.py.
    """
    whole = path.resolve()
    if not whole.is_file():
        raise UserError(f"{path}: there is no such file")
    name = f"repdyn_import_{whole.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(whole):
        return known
    found = spec_from_file_location(name, whole)
    if found is None or found.loader is None:
        raise UserError(f"{path}: is not a Python file")
    module = module_from_spec(found)
    sys.modules[name] = module
    sys.path.append(str(whole.parent))
    found.loader.exec_module(module)
    return module
