"""The language in which MLflow filters runs: where a text breaks it, and what could come next.

`name operator value`, joined by AND; a name is an attribute, or one of params, metrics and tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from repdyn.display.wording import plain

if TYPE_CHECKING:
    from repdyn.records import RunSummary

ATTRIBUTES, PARAMS, METRICS, TAGS, DATASETS = "attributes", "params", "metrics", "tags", "datasets"

ENTITIES: Mapping[str, Sequence[str]] = {
    ATTRIBUTES: ("attributes", "attribute", "attr", "run"),
    PARAMS: ("params", "param", "parameters", "parameter"),
    METRICS: ("metrics", "metric"),
    TAGS: ("tags", "tag"),
    DATASETS: ("datasets", "dataset"),
}
"""What a name may begin with, the usual word first."""

STATUSES = ("FINISHED", "RUNNING", "FAILED", "KILLED", "SCHEDULED")
NUMBERS = ("start_time", "end_time")
TEXTS = ("run_name", "status", "run_id", "user_id", "artifact_uri")
"""Attributes of runs, by the type of their values."""

OF_NUMBERS = ("=", "!=", ">", ">=", "<", "<=")
OF_TEXTS = ("=", "!=", "LIKE", "ILIKE")
OF_LISTS = ("IN", "NOT IN")
OF_NOTHING = ("IS NULL", "IS NOT NULL")
"""Operators; those of nothing have no value."""

LIST_OF = ("run_id",)
"""Attributes that can be compared with a list."""

MOST_RUNS, MOST_VALUES, MOST_SHOWN, LONGEST = 500, 30, 50, 80
"""How many runs are searched for names and values, values kept of a name, completions offered, and
characters of a name or value that is offered."""

_PLAIN = re.compile(r"[A-Za-z_]\w*")
_NAME = re.compile(r"(?P<entity>[A-Za-z_]\w*)(?P<dot>\.(?P<key>`[^`]*`?|\"[^\"]*\"?|[\w.]*))?")
_OPERATOR = re.compile(
    r"!=|>=|<=|=|>|<|NOT\s+IN\b|IS\s+NOT\s+NULL\b|IS\s+NULL\b|ILIKE\b|LIKE\b|IN\b", re.IGNORECASE
)
_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_LIST = re.compile(r"\(\s*'[^']*'\s*(?:,\s*'[^']*'\s*)*\)")
_AND = re.compile(r"AND\b", re.IGNORECASE)


@dataclass(frozen=True)
class Known:
    """The names and values in the runs listed, by what they are of; of metrics, names alone."""

    values: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Iterable[RunSummary]) -> Known:
        """Return those of runs."""
        found: dict[str, dict[str, dict[str, None]]] = {PARAMS: {}, METRICS: {}, TAGS: {}}
        found[ATTRIBUTES] = {name: {} for name in (*TEXTS, *NUMBERS)}
        found[ATTRIBUTES]["status"] = dict.fromkeys(STATUSES)
        for _, run in zip(range(MOST_RUNS), runs, strict=False):
            found[METRICS].update((name, {}) for name in run.metrics if _is_writable(name))
            for entity, texts in (
                (PARAMS, run.params),
                (TAGS, run.tags),
                (ATTRIBUTES, {"run_name": run.name}),
            ):
                for name, value in texts.items():
                    if _is_writable(name):
                        values = found[entity].setdefault(name, {})
                        if _is_writable(value) and len(values) < MOST_VALUES:
                            values[value] = None
        return cls({entity: {n: list(v) for n, v in of.items()} for entity, of in found.items()})


@dataclass(frozen=True)
class Problem:
    """What is wrong with a filter.

    Attributes:
        place: index of the first character that cannot be.
        what: a few words.
    """

    place: int
    what: str

    def __str__(self) -> str:
        return f"character {self.place + 1}: {self.what}"


@dataclass(frozen=True)
class State:
    """What has been read of a filter, up to a place.

    Attributes:
        expects: name, operator, value or and: what comes at the place.
        place: index of it.
        entity: of the name before an operator or value.
        key: of that name.
        problem: why nothing more can be read, if so.
    """

    expects: str
    place: int
    entity: str = ""
    key: str = ""
    problem: Problem | None = None


def problem_of(text: str) -> Problem | None:
    """Return where a filter is wrong, if it is; an empty one is right."""
    *_, last = _read(text)
    if last.problem is not None or last.expects == "and" or not text.strip():
        return last.problem
    what = {
        "name": "a name is missing, such as params.opt",
        "operator": f"an operator is missing: {', '.join(_operators(last))}",
    }
    value = f"a value is missing: {_value_words(last)}"
    return Problem(len(text.rstrip()), what.get(last.expects, value))


def completions(text: str, known: Known) -> list[tuple[int, str]]:
    """Return what could come at the end of a filter: from which index on, and the text from there."""
    *before, last = _read(text)
    if before and text[-1:].strip() and before[-1].expects in ("name", "operator"):
        last = last if last.problem else before[-1]  # it may still be typed
    start = last.place
    typed = text[start:]
    choices = {
        "name": _names(typed, known),
        "operator": (f"{one} " for one in _operators(last)),
        "value": _values(last, known),
        "list": (),
        "and": ("AND ",),
    }[last.expects]
    begins = typed.casefold()
    fits = (
        choices
        if last.expects == "name"
        else (one for one in choices if one.casefold().startswith(begins) and one != typed)
    )
    found = [(start, one) for _, one in zip(range(MOST_SHOWN), fits, strict=False)]
    pad = " " if last.expects == "and" and start == len(text) and text[-1:] != " " else ""
    return [(start, pad + one) for start, one in found]


def quoted(key: str) -> str:
    """Return a key as it is written in a name: in backquotes unless it is one plain word."""
    return key if _PLAIN.fullmatch(key) else f"`{key}`"


def _is_writable(text: str) -> bool:
    """Return whether a text can be typed in a line, and its quotes tell where it ends."""
    return bool(text) and len(text) <= LONGEST and plain(text) == text and not set("`'") & set(text)


def _read(text: str) -> Iterator[State]:
    """Yield the state before each part of a filter, and at its end."""
    at, state = _skip(text, 0), State("name", 0)
    while True:
        state = State(state.expects, at, state.entity, state.key)
        if at == len(text):
            yield state
            return
        found = _part(text, state)
        if isinstance(found, Problem):
            yield State(state.expects, at, state.entity, state.key, found)
            return
        yield state
        at, state = _skip(text, found.place), found


def _part(text: str, state: State) -> State | Problem:
    """Return the state after the part at a state's place, or why there is none."""
    at = state.place
    if state.expects == "name":
        return _name(text, at)
    if state.expects == "operator":
        match = _OPERATOR.match(text, at)
        operator = " ".join(match[0].upper().split()) if match else ""
        if match is None or operator not in _operators(state):
            return Problem(at, f"expected an operator: {', '.join(_operators(state))}")
        expects = "and" if operator in OF_NOTHING else "list" if operator in OF_LISTS else "value"
        return State(expects, match.end(), state.entity, state.key)
    if state.expects == "and":
        match = _AND.match(text, at)
        return State("name", match.end()) if match else Problem(at, "expected AND")
    pattern = _LIST if state.expects == "list" else _NUMBER if _is_number(state) else _TEXT
    match = pattern.match(text, at)
    if match is None:
        return Problem(at, f"expected {_value_words(state)}")
    return State("and", match.end())


def _name(text: str, at: int) -> State | Problem:
    match = _NAME.match(text, at)
    if match is None:
        return Problem(at, "expected a name, such as params.opt or metrics.`test/acc`")
    entity, key = match["entity"], match["key"]
    if match["dot"] is None:
        entity, key = ATTRIBUTES, entity
    kind = next((one for one, words in ENTITIES.items() if entity in words), None)
    if kind is None:
        return Problem(at, f"expected one of {', '.join(ENTITIES)} before the dot")
    if match["dot"] is None and key not in (*TEXTS, *NUMBERS):
        return Problem(at, "expected params., metrics., tags. or an attribute such as status")
    if key[:1] in ("`", '"') and (len(key) < 2 or key[-1] != key[0]):
        return Problem(at, f"the name has no closing {key[0]}")
    key = key.strip('`"')
    if not key:
        return Problem(match.end(), "expected a name after the dot")
    if kind == ATTRIBUTES and key not in (*TEXTS, *NUMBERS):
        return Problem(match.start("key"), f"runs have the attributes {', '.join(TEXTS + NUMBERS)}")
    return State("operator", match.end(), kind, key)


def _skip(text: str, at: int) -> int:
    return at + len(text[at:]) - len(text[at:].lstrip())


def _is_number(state: State) -> bool:
    return state.entity == METRICS or (state.entity == ATTRIBUTES and state.key in NUMBERS)


def _operators(state: State) -> tuple[str, ...]:
    if _is_number(state):
        return OF_NUMBERS
    if state.entity in (PARAMS, TAGS):
        return (*OF_TEXTS, *OF_NOTHING)
    has_lists = state.entity == DATASETS or state.key in LIST_OF
    return (*OF_TEXTS, *OF_LISTS) if has_lists else OF_TEXTS


def _value_words(state: State) -> str:
    if state.expects == "list":
        return "a list, such as ('a', 'b')"
    return "a number" if _is_number(state) else "a text in quotes, such as 'sgd'"


def _names(typed: str, known: Known) -> Iterator[str]:
    """Yield the names that begin with what is typed, then those whose key contains it."""
    typed = typed.casefold()
    entities = [ATTRIBUTES, PARAMS, METRICS, TAGS]
    if "." not in typed:
        yield from (f"{entity}." for entity in entities if entity.startswith(typed))
        if not typed:
            return
    names = [
        (f"{entity}.{quoted(key)} ", f"{entity}.{key}".casefold(), key.casefold())
        for entity in entities
        for key in sorted(known.values.get(entity, {}))
    ]
    bare = typed.replace("`", "").replace('"', "")
    first = [shown for shown, name, _ in names if name.startswith(bare)]
    yield from first
    if "." not in typed:
        yield from (shown for shown, _, key in names if bare in key and shown not in first)


def _values(state: State, known: Known) -> Iterator[str]:
    if not _is_number(state):
        values = known.values.get(state.entity, {}).get(state.key, ())
        yield from (f"'{value}'" for value in sorted(values))
