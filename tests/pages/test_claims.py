"""Claims without a browser: the list of sentences, one of them opened, and more seeds asked of the queue."""

import html
import io
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from scipy import stats
from streamlit.testing.v1 import AppTest

from aecore.data.catalog import SOURCES
from aecore.files import figures
from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.scheduling.queue import Queue
from aecore.studies import claim_scores, verdicts
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import PLANNED, Budget
from aecore.studies.verdicts import Judged, Score
from pages.app.pages import CLAIMS as PAGE
from pages.components.claims import changes, forest, intervals
from pages.components.entries import entries
from tests.pages.copies import copied

ROOT = Path(__file__).parents[2]
STRIDED = CLAIMS["strided"]
BETTER, WORSE = 29.4, 28.6  # dB, of the first side of a contrast and of the other


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of one's own, and no data set."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path / "store"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of CIFAR-10 by name: enough for runs to be queued, which nothing here trains."""
    source = SOURCES["cifar10"]
    folder = tmp_path / "data" / source.folder
    folder.mkdir(parents=True)
    for name in source.files:
        (folder / name).touch()
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))


def scores(seeds: Sequence[int], budget: Budget = "short") -> list[Score]:
    """Scores of both sides of every contrast of `STRIDED`, which scatter by an eighth of their difference."""
    made = {}
    for contrast in STRIDED.contrasts:
        for side, level in zip(contrast.sides, (BETTER, WORSE), strict=True):
            (recipe,) = side.recipes(budget)
            for seed in seeds:
                spec = verdicts.spec_of(side, recipe, seed)
                draw = np.random.default_rng([seed, int(spec.group[:8], 16)])
                mse = 10 ** (-(level + 0.1 * draw.standard_normal()) / 10)
                parts = tuple(mse * draw.uniform(0.98, 1.02, claim_scores.PARTS))
                curve = tuple(mse * (1 + 1 / epoch) for epoch in range(1, recipe.epochs + 1))
                made[spec.key] = Score(spec.key, spec.group, seed, curve, parts, 0.9, hardware="x86_64 CPU")
    return list(made.values())


def publish(root: Path, runs: Sequence[Score], pictures: Sequence[Any] = ()) -> claim_scores.Published:
    """Judge the claims from these scores, and publish both."""
    facts = {"version": claim_scores.VERSION, "dataset": "cifar10", "classifier": "", "claims": {}, "judgements": []}
    facts |= {"pictures": pictures, "runs": [asdict(run) for run in runs]}
    figures.write(claim_scores.path_of(root), facts)
    return claim_scores.publish(Store(root))


def page(**query: str) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=60)
    app.query_params.update(query)
    return app.switch_page(str(PAGE.path)).run()


def boards(app: AppTest) -> str:
    """Everything that is drawn by the page's own component."""
    shown = [element.proto for element in app.get("bidi_component")]
    return "\n".join(proto.json for proto in shown).encode().decode("unicode_escape").replace('\\"', '"')


def rows(app: AppTest) -> dict[str, str]:
    """The row of each claim, by its name, in the order of the list."""
    return dict(re.findall(r'<a class="row[^>]*data-claim="([^"]+)">(.*?)</a>', boards(app)))


def texts(app: AppTest) -> str:
    return "\n".join(element.value for kind in (app.markdown, app.caption, app.warning) for element in kind)


def differences(runs: Sequence[Score]) -> list[float]:
    """The pooled PSNR of one side of the claim's own contrast minus that of the other, seed by seed."""
    first, second = (verdicts.spec_of(side, side.recipes("short")[0], 0).group for side in STRIDED.contrasts[0].sides)
    psnr = {(run.group, run.seed): -10 * np.log10(np.mean(run.parts)) for run in runs}
    seeds = sorted({run.seed for run in runs})
    return [psnr[first, seed] - psnr[second, seed] for seed in seeds]


def own(read: claim_scores.Published) -> Judged:
    return next(judged.own for judged in read.judgements if judged.claim == STRIDED)


# ---- the list


def test_without_scores_every_sentence_is_listed_as_not_trained() -> None:
    app = page()
    assert not app.exception
    assert not app.warning
    listed = rows(app)
    assert list(listed) == list(CLAIMS)
    for name, row in listed.items():
        assert "Not trained yet" in row
        assert html.escape(CLAIMS[name].words, quote=False) in row
    assert f"<b>{len(CLAIMS)}</b> not trained yet" in boards(app)


def test_a_row_has_the_verdict_and_the_interval_of_the_seeds(root: Path) -> None:
    runs = scores(range(PLANNED))
    publish(root, runs)
    row = rows(page())["strided"]
    apart = differences(runs)
    low, high = stats.ttest_1samp(apart, 0).confidence_interval()
    assert f"+{np.mean(apart):.2f} dB<small>+{low:.2f} to +{high:.2f}</small>" in row
    assert ">Supported<" in row
    assert f"{PLANNED} seeds<small>short budget</small>" in row


def test_a_row_is_drawn_where_its_numbers_are(root: Path) -> None:
    """On an axis that is linear up to the smallest difference that matters, and logarithmic beyond."""
    runs = scores(range(PLANNED))
    publish(root, runs)
    row, apart = rows(page())["strided"], np.array(differences(runs))
    (drawn,) = re.findall(r'class="mean" cx="([\d.]+)%"', row)
    reach = 13.0  # 1.3 times the ten smallest differences that are always shown

    def share(decibels: float) -> float:
        return float(50 + 50 * np.arcsinh(decibels / 0.1) / np.arcsinh(reach))

    assert float(drawn) == pytest.approx(share(apart.mean()), abs=0.01)
    ((left, right),) = re.findall(r'class="thick".*?<line x1="([\d.]+)%" x2="([\d.]+)%"', row)
    bounds = stats.ttest_1samp(apart, 0).confidence_interval()
    assert [float(left), float(right)] == pytest.approx([share(bounds.low), share(bounds.high)], abs=0.01)


def test_scores_of_another_version_are_one_sentence_and_the_sentences_are_listed(root: Path) -> None:
    figures.write(claim_scores.path_of(root), {"version": 1, "dataset": "cifar10", "claims": {}})
    app = page()
    assert not app.exception
    assert "python -m aecore claims run" in app.warning[0].value
    assert all("Not trained yet" in row for row in rows(app).values())


def test_a_link_to_no_claim_says_so() -> None:
    app = page(claim="no*such*claim")
    assert not app.exception
    assert "There is no claim" in app.warning[0].value
    assert list(rows(app)) == list(CLAIMS)


# ---- one claim


def test_a_claim_that_is_not_trained_opens() -> None:
    app = page(claim="mse")
    assert not app.exception
    assert app.title[0].value.replace("\\", "") == f"“{CLAIMS['mse'].words}”"
    assert "have no seed in common yet" in texts(app)


def test_an_open_claim_has_a_row_per_comparison_and_a_dot_per_seed(root: Path) -> None:
    read = publish(root, scores(range(PLANNED)))
    app = page(claim="strided")
    assert not app.exception
    table = boards(app)
    for contrast in STRIDED.contrasts:
        assert f"<b>{html.escape(contrast.name)}</b>" in table
        assert html.escape(contrast.differ) in table
        assert html.escape(contrast.removes) in table
    assert table.count('class="seed"') == PLANNED * len(STRIDED.contrasts)
    for seed, difference in own(read).differences.items():
        assert f"<title>seed {seed}: +{difference:.2f} dB</title>" in table
    assert "Seeds alone move the difference by ±" in texts(app)
    assert f"± {np.std(list(own(read).differences.values()), ddof=1):.2f} dB" in texts(app)


def test_every_seed_of_a_claim_is_a_row_of_its_csv(root: Path) -> None:
    judgement = next(one for one in publish(root, scores(range(3))).judgements if one.claim is STRIDED)
    rows = pd.read_csv(io.StringIO(forest.csv(judgement)))
    assert len(rows) == 3 * len(STRIDED.contrasts)
    for one in judgement.contrasts:
        of_contrast = rows[rows["comparison"] == one.contrast.name]
        assert of_contrast.set_index("seed")["difference"].to_dict() == pytest.approx(dict(one.differences), rel=1e-5)
    assert set(rows["unit"]) == {"dB"}


def test_the_chosen_budget_is_judged(root: Path) -> None:
    publish(root, scores(range(PLANNED)))
    assert "Supported" in boards(page(claim="strided", budget="short"))
    full = page(claim="strided", budget="full")
    assert "Supported" not in boards(full)
    assert "No seed is trained yet" not in boards(full)
    assert "have no seed in common yet" in texts(full)


def test_a_comparison_says_what_its_runs_were_trained_on(root: Path) -> None:
    publish(root, scores(range(PLANNED)))
    assert "Trained on: x86_64 CPU." in texts(page(claim="strided"))
    publish(root, [])
    assert "Trained on" not in texts(page(claim="strided"))


def test_a_verdict_is_cited_with_all_it_rests_on(root: Path) -> None:
    publish(root, scores(range(PLANNED)))
    citation, link = (code.value for code in page(claim="strided").code)
    for part in (STRIDED.words, "supported", "Seeds: 0, 1, 2, 3, 4, 5", "Budget: short", "0.10 dB", STRIDED.key[:12]):
        assert part in citation
    assert link.endswith("?claim=strided&budget=best+available")
    assert link in citation
    assert page(claim="strided", budget="best available").code[1].value == link
    *_, linked = (code.value for code in page(claim="strided", budget="short").code)
    assert linked.endswith("?claim=strided&budget=short")


def test_pictures_that_are_not_among_the_excerpts_are_named(root: Path) -> None:
    pictures = [["strided", "shallow", [[3, 2.5], [5000, 2.25], [7, -1.5], [6000, -1.25]]]]
    publish(root, scores(range(PLANNED)), pictures)
    app = page(claim="strided")
    assert not app.exception
    said = texts(app)
    assert "Not among the pictures here: #5000 (+2.25 dB)." in said
    assert "Not among the pictures here: #6000 (−1.25 dB)." in said
    assert "no published model has the layers of either side" in said


# ---- more evidence


def buttons(app: AppTest) -> dict[str, Any]:
    return {button.label: button for button in app.button}


def test_without_the_data_set_the_buttons_name_the_way_out(root: Path) -> None:
    publish(root, scores(range(PLANNED)))
    button = buttons(page(claim="strided"))["Add 2 seeds"]
    assert button.disabled
    assert "python -m aecore data fetch cifar10" in button.help


@pytest.mark.usefixtures("data")
def test_what_is_missing_of_the_planned_seeds_comes_before_further_ones(root: Path) -> None:
    publish(root, scores(range(PLANNED - 1)))
    app = page(claim="strided", budget="short")
    assert "Add 2 seeds" not in buttons(app)
    wanted = claim_scores.missing([STRIDED], "short", [PLANNED - 1], {})
    runs = sum(map(len, wanted.values()))
    with supervision.hold(root):
        buttons(app)[f"Run what is missing: {runs} runs"].click().run()
        assert {entry.spec.key for entry in Queue().entries()} == {spec.key for spec in wanted[True]}


@pytest.mark.usefixtures("data")
def test_two_seeds_are_added_once_and_change_the_interval(root: Path) -> None:
    before = publish(root, scores(range(PLANNED)))
    app, other = page(claim="strided"), page(claim="strided")
    with supervision.hold(root):
        buttons(app)["Add 2 seeds"].click().run()
        assert not app.exception
        queue = Queue()
        asked = queue.entries()
        assert {entry.spec.seed for entry in asked} == {PLANNED, PLANNED + 1}
        assert all(entry.light for entry in asked)
        assert buttons(app)["Add 2 seeds"].disabled, "a second click is not possible"
        buttons(other)["Add 2 seeds"].click().run()  # a window that was opened before
        assert len(queue.entries()) == len(asked)
        for entry in asked:
            queue.cancel(entry.id)
        # As if the runs were made and judged elsewhere.
        after = publish(root, scores(range(PLANNED + 2)))
        app.run()
    assert not app.exception
    said = "\n".join(element.value for element in app.markdown)
    assert changes.sentence(own(before), own(after)) in said
    assert "So the interval is the confidence sequence" in texts(app)
    assert boards(app).count("Before, 6 seeds") == boards(app).count("After, 8 seeds") == 1


def test_a_run_that_finished_unwatched_is_taken_into_the_verdict(root: Path) -> None:
    run = copied(Store(ROOT / "checkpoints").find("shallow-strided"), root, images=10_000, light=True)
    assert Queue().submit(run.spec, light=True).state == "finished"
    app = page(claim="strided", budget="short")
    assert not app.exception
    buttons(app)["Take 1 run into the verdict"].click().run()
    assert not app.exception
    assert (run.spec.group, 0) in {place[:2] for place in claim_scores.published(root).scores}
    assert "Take 1 run into the verdict" not in buttons(app)


def test_new_seeds_narrow_the_confidence_sequence_by_what_is_said(root: Path) -> None:
    before, after = (own(publish(root, scores(range(count)))) for count in (PLANNED, PLANNED + 2))
    widths = []
    for judged in (before, after):
        values = np.array(list(judged.differences.values()))
        n = len(values)
        # The means m for which the t e-process with the prior variance 1 stays below 20, found by search.
        around = values.mean() + np.linspace(-3, 3, 600_001)
        squares = n * (values.mean() - around) ** 2 / values.var(ddof=1)
        ratio = (1 + squares / (n - 1)) / (1 + squares / ((n - 1) * (1 + n)))
        inside = around[ratio ** (n / 2) / np.sqrt(1 + n) < 20]
        widths.append(np.ptp(inside))
    assert widths[1] < widths[0]
    assert f"dB, **{1 - widths[1] / widths[0]:.0%} narrower**." in changes.sentence(before, after)
    assert "From now on the confidence sequence counts" in changes.sentence(before, after)


# ---- the axis


@pytest.mark.parametrize(("low", "high"), [(-6.2, 0.4), (-0.03, 0.002), (-1.0, 40.0)])
def test_ticks_are_round_and_evenly_spaced(low: float, high: float) -> None:
    values = intervals.ticks(low, high)
    assert 3 <= len(values) <= 9
    assert low <= values[0] < values[-1] <= high
    assert 0 in values
    np.testing.assert_allclose(np.diff(values), values[1] - values[0])


def test_an_axis_holds_every_seed_and_cuts_off_an_interval_of_few(root: Path) -> None:
    judged = own(publish(root, scores(range(2))))
    scale = intervals.range_of([judged])
    assert all(scale.low < difference < scale.high for difference in judged.differences.values())
    assert judged.evidence
    assert judged.evidence.interval
    low, high = judged.evidence.interval
    assert low < scale.low < scale.high < high
    assert "<path" in intervals.whole(scale, judged, [])


# ---- elsewhere


def test_the_light_runs_of_the_claims_are_no_entries_of_the_gallery(root: Path) -> None:
    published = Store(ROOT / "checkpoints").find("shallow-strided")
    for seed in range(2):
        copied(published, root, seed=seed, images=10_000, light=True)
    other = copied(published, root, epochs=3, images=10_000, light=True)
    whole = copied(published, root, epochs=4, images=10_000)
    own_runs = [entry.run for entry in entries(Store(root).listing().runs) if entry.is_own_run]
    assert {run.key for run in own_runs if run} == {other.key, whole.key}
    light = copied(published, root, seed=5, images=10_000, light=True)
    assert any(light in entry.runs for entry in entries(Store(root).listing().runs, light.key[:6])), "but by a link"
