"""Is the difference real? One line per pair of models: the verdict of the pictures, and that of the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from aecore.measuring.evidence import FEWEST_SEEDS, evidence
from aecore.measuring.intervals import FEWEST_PAIRS, Difference, paired_differences
from aecore.measuring.metrics import METRICS
from aecore.runs.store import Run
from aecore.studies import claims, verdict_words
from aecore.studies.contestants import Contestant
from aecore.studies.contrasts import PLANNED, PSNR
from pages.app.pages import CLAIMS
from pages.components import look

_FEW = 8  # lines that are shown without scrolling
_ONE_RUN = "One training run each: another seed may turn this round."


def show(models: Mapping[str, pd.DataFrame], metric: str, chosen: Sequence[Contestant]) -> None:
    """Say for each pair which model does better on these pictures by a metric, or that no difference is shown.

    Where both are trained from several seeds, the line goes on with what these say of the test PSNR.
    """
    values = pd.DataFrame({label: scores[metric] for label, scores in models.items()})
    exact = [str(label) for label in values if not np.isfinite(values[label]).all()]
    if exact:
        st.caption(
            f"{look.listed(exact)}: some pictures have no error. Their {METRICS[metric].title} is infinite, so it has "
            f"no mean."
        )
        values = values.drop(columns=exact)
    if len(values.columns) < 2:
        st.caption("Choose at least two models to see whether their difference is real.")
    elif len(values) < FEWEST_PAIRS:
        st.caption(f"Choose at least {FEWEST_PAIRS} pictures: {len(values)} are too few for an interval.")
    else:
        _list(paired_differences(values), metric, {contestant.label: contestant for contestant in chosen})


def _list(differences: Sequence[Difference], metric: str, by_label: Mapping[str, Contestant]) -> None:
    """One line per pair; what holds for every pair is said once, below."""
    pairs = [(by_label[one.first], by_label[one.second]) for one in differences]
    by_seeds = [over_seeds(*pair) for pair in pairs]
    trained = [all(contestant.run for contestant in pair) for pair in pairs]
    lines = []
    for difference, seeds, pair, are_trained in zip(differences, by_seeds, pairs, trained, strict=True):
        if not seeds and are_trained and any(by_seeds):
            several = any(contestant.group for contestant in pair)
            seeds = f":gray[{'Not compared over seeds' if several else 'One training run each'}.]"
        lines.append(f"- {sentence(difference, metric)}{'.' * bool(seeds)} {seeds}".rstrip())
    with st.container(height=220 if len(lines) > _FEW else "content", border=False, gap=None):
        st.markdown("\n".join(lines))
    of_pictures = "Each pair is judged by itself, on these pictures."
    alone = any(are_trained and not seeds for are_trained, seeds in zip(trained, by_seeds, strict=True))
    st.caption(f"{of_pictures} {_ONE_RUN}" if alone else of_pictures)


def over_seeds(first: Contestant, second: Contestant) -> str:
    """What the seeds that both are trained from say of their pooled test PSNR, in Markdown.

    Empty where they have fewer than two in common, or are measured on other pictures or under other noise.
    """
    differences = _differences(first, second)
    if len(differences) < 2:
        return ""
    judged = evidence(differences, PSNR.smallest, planned=PLANNED)
    higher = first.label if judged.mean > 0 else second.label
    low, high = judged.bounds or (0.0, 0.0)
    bounds = (low, high) if judged.mean > 0 else (-high, -low)  # of the higher one over the other
    said = f"the test PSNR of {higher} is higher by {verdict_words.size(judged.mean, PSNR)}"
    if judged.seeds < FEWEST_SEEDS:
        verdict = f"too few to judge: {said}"
    elif not judged.is_shown:
        verdict = f"**no difference shown** :gray[({said}, 95% interval {verdict_words.interval(bounds, PSNR)})]"
    else:
        verdict = f"{said} :gray[(95% interval {bounds[0]:.2f} to {bounds[1]:.2f})]"
    return f"Over {judged.seeds} seeds {verdict}.{_claim(first, second)}"


def _differences(first: Contestant, second: Contestant) -> list[float]:
    """The difference in pooled test PSNR for each seed that both are trained from, in dB."""
    one, other = (_by_seed(contestant) for contestant in (first, second))
    pairs = [(one[seed], other[seed]) for seed in sorted(one.keys() & other.keys())]
    apart = [run.totals.psnr_pooled - against.totals.psnr_pooled for run, against in pairs if _same_test(run, against)]
    return [difference for difference in apart if np.isfinite(difference)]


def _by_seed(contestant: Contestant) -> dict[int, Run]:
    runs = contestant.group.runs if contestant.group else ()
    return {run.spec.seed: run for run in runs}


def _same_test(run: Run, other: Run) -> bool:
    """Whether both were scored on the same pictures under the same noise."""
    one, two = run.spec, other.spec
    return one.fingerprint == two.fingerprint and one.recipe.noise == two.recipe.noise


def _claim(first: Contestant, second: Contestant) -> str:
    """A link to the claim that compares these two, if one does."""
    if first.run is None or second.run is None:
        return ""
    names = claims.comparing(first.run.spec, second.run.spec)
    if not names:
        return ""
    claim, contrast, budget = names
    return f" [See the claim]({CLAIMS.url}?{urlencode({'claim': claim, 'contrast': contrast, 'budget': budget})})"


def sentence(difference: Difference, metric: str) -> str:
    """The verdict on one pair by a metric, in words."""
    rule, unit = METRICS[metric], " dB" if metric == "psnr" else ""
    if difference.low == difference.high == 0:
        return f"{difference.first} and {difference.second}: **equal on every picture** :gray[({rule.title})]"
    if not difference.is_shown:
        return (
            f"{difference.first} and {difference.second}: **no difference shown** :gray[(mean {rule.title} "
            f"{_signed(difference.mean, metric)}{unit}, 95% interval {_interval(difference, metric)})]"
        )
    better, worse = difference.first, difference.second
    if (difference.mean > 0) != rule.higher_is_better:
        better, worse = worse, better
    how = "higher" if rule.higher_is_better else "lower"
    return (
        f"**{better}** does better than {worse} :gray[(mean {rule.title} {how} by "
        f"{_size(abs(difference.mean), metric)}{unit}, 95% interval {_interval(difference, metric)})]"
    )


def _interval(difference: Difference, metric: str) -> str:
    low, high = difference.low or 0.0, difference.high or 0.0
    if difference.is_shown:
        low, high = sorted((abs(low), abs(high)))
        return f"{_size(low, metric)} to {_size(high, metric)}"
    return f"{_signed(low, metric)} to {_signed(high, metric)}"


def _size(number: float, metric: str) -> str:
    return f"{number:.2f}" if metric == "psnr" else f"{number:.2g}"


def _signed(number: float, metric: str) -> str:
    return ("−" if number < 0 else "+") + _size(abs(number), metric)
