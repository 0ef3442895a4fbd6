"""Numbers as text: three significant digits, and units."""

from aecore.models.architecture import Architecture


def code(architecture: Architecture) -> str:
    """The size of the code and its ratio to the picture's: 1,024 · 0.33×; a dash where there is no code."""
    return f"{architecture.code_size:,} · {architecture.code_ratio:.2g}×" if architecture.code else "–"


def short(number: int) -> str:
    """Three significant digits: 28.7k, 6.30M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            value = number / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{unit}"
    return str(number)


def duration(seconds: float) -> str:
    """12 s, 3.5 min, 2.1 h."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 99.5:
        return f"{minutes:.{1 if minutes < 9.95 else 0}f} min"
    return f"{minutes / 60:.1f} h"
