"""Differences on a horizontal axis, as SVG that fits any width: seeds, means, intervals, and what does not matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import asinh, ceil, floor, log10

from aecore.measuring.evidence import Evidence
from aecore.studies import verdict_words
from aecore.studies.contrasts import Measure
from aecore.studies.verdicts import Judged
from pages.components.claims import marks

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; with `bend` it is linear only below that and logarithmic beyond (asinh)."""

    low: float
    high: float
    bend: float | None = None

    def at(self, value: float) -> float:
        """Where a value lies, in percent of the axis; one beyond an end lies at that end."""
        low, high, here = (self._bent(one) for one in (self.low, self.high, min(max(value, self.low), self.high)))
        return round(100 * (here - low) / (high - low), 2)

    def _bent(self, value: float) -> float:
        return asinh(value / self.bend) if self.bend else value


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, evenly spaced, zero among them where it lies between."""
    rough = (high - low) / about
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * mantissa for mantissa in (1, 2, 5, 10) if unit * mantissa >= rough)
    return [round(number * step, 10) for number in range(ceil(low / step), floor(high / step) + 1)]


def label(value: float) -> str:
    """A number of an axis, with its sign."""
    return f"{value:+g}".replace("-", "−") if value else "0"


def axis(scale: Scale, labels: Iterable[tuple[float, str]]) -> str:
    """The numbers of an axis."""
    text = "".join(f'<text x="{scale.at(value)}%" y="12">{label}</text>' for value, label in labels)
    return f'<svg class="interval" height="16" aria-hidden="true">{text}</svg>'


def small(scale: Scale, judged: Judged, unit: float) -> str:
    """The mean of a contrast and the interval that counts, measured in `unit`, on one line."""
    evidence, color = judged.evidence, marks.color(marks.of(judged))
    drawn = _ground(scale, 1.0, 24)
    if evidence is not None:
        if evidence.bounds:
            drawn += _bar(scale, (evidence.bounds[0] / unit, evidence.bounds[1] / unit), 12, "thick", color)
        drawn += _mean(scale, evidence.mean / unit, 12, color)
    return f'<svg class="interval" height="24" aria-hidden="true">{drawn}</svg>'


def whole(scale: Scale, judged: Judged, values: Iterable[float]) -> str:
    """A contrast with a dot per seed, and below the dots its mean, Student's interval and the confidence sequence."""
    evidence, measure, color = judged.evidence, judged.contrast.measure, marks.color(marks.of(judged))
    drawn = _ground(scale, measure.smallest, 38, values)
    for seed, difference in judged.differences.items():
        said = verdict_words.amount(difference, measure)
        drawn += (
            f'<circle class="seed" cx="{scale.at(difference)}%" cy="9" r="3.5"><title>seed {seed}: {said}</title>'
            "</circle>"
        )
    if evidence is not None:
        drawn += "".join(_intervals(scale, evidence, measure, color))
        drawn += _mean(scale, evidence.mean, 26, color, verdict_words.amount(evidence.mean, measure))
    return f'<svg class="interval" height="38" role="img" aria-label="{_alt(judged)}">{drawn}</svg>'


def _intervals(scale: Scale, evidence: Evidence, measure: Measure, color: str) -> Iterable[str]:
    if evidence.interval:
        said = f"Student's 95% interval {verdict_words.interval(evidence.interval, measure)}"
        yield _bar(scale, evidence.interval, 26, "thick", color, said)
    if evidence.sequence:
        said = f"95% confidence sequence {verdict_words.interval(evidence.sequence, measure)}"
        yield _bar(scale, evidence.sequence, 26, "thin", color, said)


def range_of(judged: Iterable[Judged], *, with_zero: bool = True) -> Scale:
    """A linear axis with room for every seed and the intervals, and `with_zero` for the band of what does not matter.

    Of few seeds an interval may be a hundred times as wide as they lie apart: it is cut off.
    """
    rows = [one for one in judged if one.evidence]
    points = [value for one in rows for value in one.differences.values()]
    if with_zero:
        points += [sign * 2 * one.contrast.measure.smallest for one in rows for sign in (-1, 1)]
    low, high = min(points, default=-1.0), max(points, default=1.0)
    most = 0.5 * (high - low)
    for one in rows:
        for bounds in (one.evidence.interval, one.evidence.sequence) if one.evidence else ():
            if bounds:
                points += [max(bounds[0], low - most), min(bounds[1], high + most)]
    low, high = min(points, default=-1.0), max(points, default=1.0)
    room = 0.03 * (high - low) or 1.0
    return Scale(low - room, high + room)


def _ground(scale: Scale, smallest: float, height: int, values: Iterable[float] = ()) -> str:
    """The band of differences too small to matter, the line at zero, and faint lines at the axis's numbers."""
    left, right, zero = scale.at(-smallest), scale.at(smallest), scale.at(0)
    line = (
        f'<line class="zero" x1="{zero}%" x2="{zero}%" y1="0" y2="{height}"/>' if scale.low <= 0 <= scale.high else ""
    )
    lines = "".join(
        f'<line class="tick" x1="{scale.at(value)}%" x2="{scale.at(value)}%" y1="0" y2="{height}"/>' for value in values
    )
    return f'<rect class="band" x="{left}%" width="{right - left:.2f}%" y="0" height="{height}"/>{lines}{line}'


def _bar(scale: Scale, bounds: Bounds, y: int, kind: str, color: str, said: str = "") -> str:
    """A bar from bound to bound; where one lies beyond the axis, a pointed end."""
    low, high = scale.at(bounds[0]), scale.at(bounds[1])
    title = f"<title>{said}</title>" if said else ""
    ends = ""
    if bounds[0] < scale.low:
        ends += f'<svg x="0" y="{y - 5}" width="6" height="10" overflow="visible"><path d="M6 0L0 5l6 5z"/></svg>'
    if bounds[1] > scale.high:
        ends += f'<svg x="100%" y="{y - 5}" overflow="visible"><path d="M-6 0l6 5l-6 5z"/></svg>'
    return (
        f'<g class="{kind}" stroke="{color}" fill="{color}">{title}'
        f'<line x1="{low}%" x2="{high}%" y1="{y}" y2="{y}"/>{ends}</g>'
    )


def _mean(scale: Scale, value: float, y: int, color: str, said: str = "") -> str:
    title = f"<title>mean {said}</title>" if said else ""
    return f'<circle class="mean" cx="{scale.at(value)}%" cy="{y}" r="4" fill="{color}">{title}</circle>'


def _alt(judged: Judged) -> str:
    evidence, measure = judged.evidence, judged.contrast.measure
    if evidence is None:
        return f"{judged.contrast.name}: not trained yet"
    said = f"{judged.contrast.name}: mean difference {verdict_words.amount(evidence.mean, measure)}"
    if evidence.bounds is None:
        return said
    return f"{said}, 95% interval {verdict_words.interval(evidence.bounds, measure)}, {evidence.seeds} seeds"
