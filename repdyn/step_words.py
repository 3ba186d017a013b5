"""How steps and numbers of things are written."""

THOUSANDS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
"""Units of large steps."""

LARGE = 10_000
"""From here on steps are written with separators, or in THOUSANDS."""


def step(number: int) -> str:
    """Return a step in full, `9000` or `1,200,000`."""
    return f"{number:,}" if abs(number) >= LARGE else str(number)


def short_step(number: int) -> str:
    """Return a step to three digits, `9000` or `1.2M`, for an axis."""
    if abs(number) < LARGE:
        return str(number)
    size, letter = next(
        (size, letter) for size, letter in THOUSANDS if abs(float(f"{number / size:.3g}")) >= 1
    )
    return f"{float(f'{number / size:.3g}'):g}{letter}"


def counted(number: int, noun: str) -> str:
    """Return a number of things, `1 layer` or `12 layers`."""
    return f"{step(number)} {noun if number == 1 else noun.removesuffix('s') + 's'}"
