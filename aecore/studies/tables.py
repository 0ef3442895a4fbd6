"""The published runs and measurements as the Markdown tables of docs/results.md.

python -m aecore publish        train the missing runs, and print the tables of systems
python -m aecore denoising      measure every denoiser, and print the tables of denoisers
python -m aecore rates          measure every code in bits, and print their tables
python -m aecore legibility     read the class from every reconstruction and code, and print the tables
python -m aecore resolution     train at three resolutions, measure, and print the tables
python -m aecore claims run     train what the claims about the study lack, and print their table
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from aecore.data import catalog
from aecore.files.figures import MissingError
from aecore.models import zoo
from aecore.models.zoo import System
from aecore.reconstructors import denoisers
from aecore.runs.store import Run, Store
from aecore.studies import ceiling, verdict_words
from aecore.studies.contrasts import Budget
from aecore.studies.denoising import NO_NETWORK, NOISY, REFERENCES, TABLE_LEVELS, Bits, Curves, level_text
from aecore.studies.legibility import ORIGINAL, Legibility
from aecore.studies.pca_curves import pca_curve
from aecore.studies.rates import COMPARED, HYPERPRIOR, Lead, Rates
from aecore.studies.resolution import BITS, FIRST, NAMES, SIDES, Resolution, decibels_text
from aecore.studies.spreads import spreads
from aecore.studies.verdicts import Judgement, Scores


def denoising_table(curves: Curves) -> str:
    """Mean PSNR in dB of each denoiser at each of `TABLE_LEVELS`.

    Bold marks the best on the pictures that all denoisers were measured on.
    """
    lines = _levels_head("denoiser", "pictures")
    best = {
        level: max((point.psnr_subset or 0 for name in curves.names if (point := curves.at(name, level))), default=0)
        for level in TABLE_LEVELS
    }
    for name in curves.names:
        points = [curves.at(name, level) for level in TABLE_LEVELS]
        cells = [
            "–"
            if point is None or point.psnr is None
            else f"**{point.psnr:.2f}**"
            if point.psnr_subset == best[level]
            else f"{point.psnr:.2f}"
            for level, point in zip(TABLE_LEVELS, points, strict=True)
        ]
        counts = sorted({point.pictures for point in points if point})
        lines.append(f"| {name} | {', '.join(f'{count:,}' for count in counts)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def denoising_comparison(curves: Curves) -> str:
    """The gain of each trained denoiser over each of `REFERENCES` on the same pictures.

    It is the mean difference of PSNR in dB with its 95% interval, in bold if the interval lies above zero.
    """
    lines = _levels_head("denoiser", "over")
    for name in _learned(curves):
        for other in REFERENCES:
            points = [curves.at(name, level) for level in TABLE_LEVELS]
            cells = [_gain(point.over.get(other) if point else None) for point in points]
            lines.append(f"| {name} | {other} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ceiling_table(curves: Curves) -> str:
    """How much of the possible gain over the Wiener filter each denoiser has, and the bits per value that follow.

    The first two rows are pooled PSNRs in dB: the ceiling, and the Wiener filter. Then follow the trained denoisers,
    which were measured on the same pictures, and what is published of diffusion models. The last columns are the
    levels between which the bits come from the denoiser itself, and what they change with half as many levels.
    """
    levels = list(ceiling.LEAST)
    heads = [
        "denoiser",
        *(level_text(level) for level in levels),
        "bits per value",
        "from its own errors, σ",
        "with half the levels",
    ]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]

    def row(name: str, cells: Sequence[str], bits: Sequence[str] = ("–", "–", "–")) -> None:
        lines.append(f"| {' | '.join([name, *cells, *bits])} |")

    bits = {one.name: one for one in curves.bits}
    linear = [curves.at(ceiling.LINEAR, level) for level in levels]
    row("least possible error, dB", [_number(ceiling.least(level), 2) for level in levels])
    alone = _bits(bits.get(NO_NETWORK))
    row(f"{ceiling.LINEAR}, dB", [_number(point.psnr_pooled if point else None, 2) for point in linear], alone)
    for name in _learned(curves):
        points = [curves.at(name, level) for level in levels]
        shares = [ceiling.share(curves, point) if point else None for point in points]
        row(name, [ceiling.share_text(share) for share in shares], _bits(bits.get(name)))
    for name, (low, high) in ceiling.DIFFUSION.items():
        row(f"{name}, published", ["–"] * len(levels), (f"{low:.2f} to {high:.2f}", "–", "–"))
    return "\n".join(lines)


def _bits(bits: Bits | None) -> tuple[str, str, str]:
    if bits is None:
        return "–", "–", "–"
    own = "–" if bits.levels is None else f"{bits.levels[0]:.2g} to {bits.levels[1]:.2g}"
    return f"{bits.bits:.2f} ± {bits.margin:.2f}", own, f"{bits.coarse - bits.bits:+.3f}".replace("-", "−")


def _learned(curves: Curves) -> list[str]:
    return [name for name in curves.names if name != NOISY and name not in denoisers.METHODS]


def _levels_head(*columns: str) -> list[str]:
    levels = [level_text(level) for level in TABLE_LEVELS]
    return [f"| {' | '.join([*columns, *levels])} |", f"|---|--:|{'--:|' * len(levels)}"]


def _gain(over: tuple[float, float, float] | None) -> str:
    if over is None:
        return "–"
    mean, low, high = over
    text = f"{mean:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")
    return f"**{text}**" if low > 0 else text


# Test MSE by code size, after 500 epochs: tutorial 9 of UvA Deep Learning, "Deep Autoencoders" (Lippe).
TUTORIAL = {64: 0.00709, 128: 0.00409, 256: 0.00207, 384: 0.00128}


def _published(store: Store) -> list[tuple[str, System, Run]]:
    """Every system whose published run is here, in the order of the zoo.

    A published run has the system's own recipe, data set and seed, and weights in float16.
    """
    own = {run.name: run for run in store.listing().full if zoo.is_own(run.spec) and run.dtype == "float16"}
    return [(name, system, own[name]) for name, system in zoo.SYSTEMS.items() if name in own]


def results_table(store: Store) -> str:
    """The size and scores of every published system, in the order of the zoo."""
    lines = [
        "| system | code size | parameters | PSNR pooled, dB | PSNR mean, dB | SSIM | seconds | the study's, dB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, system, run in _published(store):
        architecture, totals = run.spec.architecture, run.totals
        lines.append(
            f"| {name} | {_count(architecture.code_size)} | {architecture.parameters:,} | {totals.psnr_pooled:.2f} | "
            f"{totals.psnr_mean:.2f} | {totals.ssim:.3f} | {run.seconds:.0f} | "
            f"{system.seed_psnr or '–'} |"
        )
    return "\n".join(lines)


def compressing_table(store: Store) -> str:
    """The MSE of each compressor to few numbers, beside that of PCA and of the tutorial at its code size; its cost."""
    try:
        pca = pca_curve("cifar10", store.root)
    except MissingError:  # another store may have none
        pca = None
    lines = [
        "| system | code size | MSE | PCA's MSE | MSE / PCA's MSE | the tutorial's MSE | epochs | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, system, run in _published(store):
        numbers, error = run.spec.architecture.code_size, run.totals.mse
        if system.family != "compressing" or numbers is None or system.architecture.entropy_model:
            continue
        linear, learned = pca.at(numbers) if pca else None, TUTORIAL.get(numbers)
        lines.append(
            f"| {name} | {numbers:,} | {error:.5f} | {_number(linear, 5)} | {_number(linear and error / linear, 3)} | "
            f"{_number(learned, 5)} | {run.spec.recipe.epochs} | {run.seconds:.0f} |"
        )
    return "\n".join(lines)


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def rates_table(rates: Rates) -> str:
    """Where each curve leads PCA at equal bits, and by how much at the setting chosen on validation pictures.

    Its 95% interval is in brackets, and bold marks a lead. The last column is the most that a dead zone
    gains, over the settings that take `COMPARED` bits.
    """
    lines = [
        "| curve | leads PCA, bits | gain over PCA, dB | bits | PSNR, dB | largest gain of a dead zone, dB |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    least, most = COMPARED
    for curve in rates.curves:
        best = curve.best_point
        over = _lead(best.over_pca) if best and best.over_pca else "–"
        at = f"{best.bits:,.0f} | {best.psnr:.2f}" if best else "– | –"
        zones = [
            point.over_plain.decibels for point in curve.points if point.over_plain and least <= point.bits <= most
        ]
        window = curve.windows_text or ("–" if curve.kind == "pca" else "nowhere")
        lines.append(f"| {curve.name} | {window} | {over} | {at} | {f'{max(zones):.2f}' if zones else '–'} |")
    return "\n".join(lines)


def bits_per_pixel_table(rates: Rates) -> str:
    """What the compressors, PCA and the codecs reach at the numbers of bits at which a hyperprior model is published.

    A curve with a header has two rows.
    """
    pixels = prod(catalog.shape_of(rates.dataset)[1:])
    lines = [
        "| curve | " + " | ".join(f"{bits:g} bpp, pooled | mean" for bits in HYPERPRIOR) + " |",
        "|---|" + "--:|--:|" * len(HYPERPRIOR),
    ]
    for curve in rates.curves:
        if curve.kind == "autoencoder" and zoo.find(curve.name).family != "compressing":
            continue
        has_header = any(point.header for point in curve.points)
        for headers in (True, False) if has_header else (True,):
            name = curve.name if headers else f"{curve.name}, without its header"
            reached = [curve.decibels_at(bits * pixels, headers=headers) for bits in HYPERPRIOR]
            cells = (f"{pair[0]:.2f} | {pair[1]:.2f}" if pair else "– | –" for pair in reached)
            lines.append(f"| {name} | {' | '.join(cells)} |")
    published = " | ".join(f"– | {mean:.2f}" for mean in HYPERPRIOR.values())
    return "\n".join([*lines, f"| hyperprior, published | {published} |"])


def claims_table(judgements: Sequence[Judgement]) -> str:
    """Every contrast that was trained from two seeds or more: the claim's own first, whose verdict is the claim's."""
    lines = [
        "| claim | contrast | verdict | difference | better at a new seed | sd over seeds | error from pictures, dB "
        "| seeds | budget |",
        "|---|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for judgement in judgements:
        words = judgement.claim.words  # in the first row of the claim
        for judged in judgement.contrasts:
            found, parts, measure = judged.evidence, judged.components, judged.contrast.measure
            if found is None or found.interval is None or found.chance is None:
                continue
            words, first = "", words
            cells = (
                first,
                judged.contrast.name,
                judged.finding.verdict,
                f"{verdict_words.amount(found.mean, measure)} ({verdict_words.interval(found.bounds, measure)})",
                f"{found.chance:.0%}",
                verdict_words.size(found.deviation or 0.0, measure),
                f"{parts.picture_error:.2f}" if parts else "–",
                str(found.seeds),
                judged.budget,
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread_table(scores: Scores, budget: Budget) -> str:
    """The spread over seeds of each of the study's systems, and the figure that the study printed.

    The last column is the chance that a run of ours is as far from our mean as the study's. Under the short budget,
    which is not the study's, both are left out.
    """
    full = budget == "full"
    lines = [
        "| system | trained on | seeds | PSNR, dB | sd over seeds, dB | lowest to highest |"
        + " the study's figure, dB | chance |" * full,
        "|---|---|--:|--:|--:|---|" + "--:|--:|" * full,
    ]
    for spread in spreads(scores, budget):
        numbers = f"{spread.hardware} | {spread.seeds} | {spread.mean:.2f} | {spread.deviation:.2f}"
        printed = f"{spread.printed:.1f}" if spread.printed is not None else "–"
        chance = f"{spread.chance:.1%}" if spread.chance is not None else "–"
        lines.append(
            f"| {spread.name} | {numbers} | {spread.lowest:.2f} to {spread.highest:.2f} |"
            + f" {printed} | {chance} |" * full
        )
    return "\n".join(lines)


def _lead(lead: Lead) -> str:
    low, high = lead.decibels - lead.margin, lead.decibels + lead.margin
    text = f"{lead.decibels:+z.2f} ({low:+z.2f} to {high:+z.2f})".replace("-", "−")
    return f"**{text}**" if lead.counts else text


def legibility_table(legible: Legibility) -> str:
    """From how many reconstructions of each model the class is read, and from how many codes a linear probe reads it.

    The 95% interval of the drop against the originals is in brackets, and bold marks one that lies above zero.
    """
    lines = [
        "| model | class read, % | drop, points | noisy input, % | confusion that grows most | probe of the code, % |",
        "|---|--:|--:|--:|---|--:|",
    ]
    for reading in legible.readings:
        name, drop, grown = reading.name, "–", "–"
        if name == ORIGINAL:
            name = "the originals"
        else:
            drop = f"{100 * reading.drop:+z.1f} ({100 * reading.low:+z.1f} to {100 * reading.high:+z.1f})"
            drop = f"**{drop}**" if reading.low > 0 else drop
            worst = legible.worst(reading)
            if worst:
                grown = f"{worst.true} read as {worst.read}: {worst.on_originals:.0%} → {worst.here:.0%}"
        cells = _percent(reading.accuracy), drop.replace("-", "−"), _percent(reading.accuracy_given), grown
        lines.append(f"| {name} | {' | '.join(cells)} | {_percent(reading.probe)} |")
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def resolution_table(study: Resolution) -> str:
    """Each system at each size: its error and its cost; and below them JPEG, and the smallest scenes enlarged."""
    lines = [
        f"| system | size | PSNR, dB | SSIM | at {BITS} bits per pixel, dB | averaged to {FIRST}×{FIRST}, dB "
        "| numbers per pixel | MACs, millions | seconds per epoch |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in NAMES:
        for side in SIDES:
            cell = study.cell(name, side)
            psnr, stored, reduced = (
                f"{cell.mean(measure):.2f} ± {cell.half(measure):.2f}" for measure in ("psnr", "stored", "reduced")
            )
            lines.append(
                f"| {name} | {side}×{side} | {psnr} | {cell.mean('ssim'):.3f} | {stored} | {reduced} "
                f"| {cell.numbers:g} | {cell.macs / 1e6:,.1f} | {study.cost(name, side):.1f}× |"
            )
    references = [study.reference(side) for side in SIDES]
    lines += [f"| JPEG | {one.side}×{one.side} | – | – | {one.jpeg:.2f} | – | – | – | – |" for one in references]
    lines += [
        f"| {FIRST}×{FIRST} enlarged | {one.side}×{one.side} | {one.enlarged:.2f} | – | – | – | – | – | – |"
        for one in references
        if one.enlarged is not None
    ]
    return "\n".join(lines)


def resolution_ranking(study: Resolution) -> str:
    """The order of the systems at each size, with how far each is above the next one; bold where that is shown."""
    lines = [
        f"| size | codes as they are, dB above the next | {BITS} bits per pixel, dB above the next |",
        "|--:|---|---|",
    ]
    for side in SIDES:
        orders = []
        for measure in ("psnr", "stored"):
            leads = study.leads(side, measure)
            texts = [f"**{decibels_text(lead)}**" if lead.is_shown else decibels_text(lead) for lead in leads]
            parts = [f"{lead.first} {text}" for lead, text in zip(leads, texts, strict=True)]
            orders.append(", ".join([*parts, leads[-1].second]))
        lines.append(f"| {side}×{side} | {' | '.join(orders)} |")
    return "\n".join(lines)
