"""A study of resolution with numbers that can be checked by hand."""

from dataclasses import replace

from aecore.studies.resolution import NAMES, SIDES, Cell, Reference, Resolution, Scene

WOBBLE = (-0.1, 0.1, -0.2, 0.2, -0.3, 0.3)  # of six seeds around their mean
OTHER = (0.1, -0.1, 0.2, -0.2, 0.3, -0.3)
# By system: the PSNR at each size with codes as they are, and stored.
_AS_IT_IS = {NAMES[0]: (25.0, 26.0, 27.0), NAMES[1]: (26.0, 26.5, 27.1), NAMES[2]: (22.0, 24.0, 24.5)}
_STORED = {NAMES[0]: (19.0, 20.0, 21.0), NAMES[1]: (23.0, 23.5, 24.0), NAMES[2]: (22.0, 24.0, 24.5)}


def _cell(name: str, place: int) -> Cell:
    wobble = OTHER if name == NAMES[1] else WOBBLE
    values = tuple(_AS_IT_IS[name][place] + apart for apart in wobble)
    stored = tuple(_STORED[name][place] + apart for apart in wobble)
    side = SIDES[place]
    return Cell(name, side, values, (0.8,) * 6, stored, values, 8.0, 10_000 * side**2, 2.0 * (place + 1))


SMALL = Resolution(
    {"scenes-32": "f" * 64},
    420,
    tuple(_cell(name, place) for name in NAMES for place in range(len(SIDES))),
    (Reference(32, 44.0, None), Reference(64, 47.0, 30.0), Reference(96, 49.0, 27.0)),
    (Scene("rocket", 96, ""),),
)


def with_psnr(name: str, side: int, psnr: tuple[float, ...]) -> Resolution:
    """The same with other PSNRs in one cell."""
    cells = (replace(cell, psnr=psnr) if (cell.name, cell.side) == (name, side) else cell for cell in SMALL.cells)
    return replace(SMALL, cells=tuple(cells))
