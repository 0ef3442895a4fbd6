"""The published runs as the Markdown tables of docs/results.md.

python -m aecore publish        train what is missing, and print them
"""

from __future__ import annotations

from aecore import zoo
from aecore.baselines import pca_curve
from aecore.published import MissingError
from aecore.store import Run, Store
from aecore.zoo import System

# Test MSE by code size, after 500 epochs: tutorial 9 of UvA Deep Learning, "Deep Autoencoders" (Lippe).
TUTORIAL = {64: 0.00709, 128: 0.00409, 256: 0.00207, 384: 0.00128}


def _published(store: Store) -> list[tuple[str, System, Run]]:
    """Every system whose own run is here, as it is published, in the order of the zoo: not a variant, another seed's or
    another data set's."""
    own = {run.name: run for run in store.listing().runs if zoo.is_own(run.spec) and run.dtype == "float16"}
    return [(name, system, own[name]) for name, system in zoo.SYSTEMS.items() if name in own]


def results_table(store: Store) -> str:
    """The size and scores of every system that is published, in the order of the zoo."""
    lines = [
        "| system | code size | parameters | PSNR pooled, dB | PSNR mean, dB | SSIM | seconds | the study's, dB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, system, run in _published(store):
        architecture, totals = run.spec.architecture, run.totals
        lines.append(
            f"| {name} | {architecture.code_size:,} | {architecture.parameters:,} | {totals['psnr_pooled']:.2f} | "
            f"{totals['psnr_mean']:.2f} | {totals['ssim']:.3f} | {run.seconds:.0f} | "
            f"{system.seed_psnr or '–'} |"
        )
    return "\n".join(lines)


def compressing_table(store: Store) -> str:
    """The mean squared error of each compressor beside PCA's and the tutorial's at its code size, with its cost."""
    try:
        pca = pca_curve("cifar10", store.root)
    except MissingError:  # a store of one's own may be without
        pca = None
    lines = [
        "| system | numbers | MSE | PCA's MSE | MSE over PCA's | the tutorial's MSE | epochs | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, system, run in _published(store):
        if system.family != "compressing":
            continue
        numbers, error = run.spec.architecture.code_size, run.totals["mse"]
        linear, learned = pca.at(numbers) if pca else None, TUTORIAL.get(numbers)
        lines.append(
            f"| {name} | {numbers:,} | {error:.5f} | {_number(linear, 5)} | {_number(linear and error / linear, 3)} | "
            f"{_number(learned, 5)} | {run.spec.recipe.epochs} | {run.seconds:.0f} |"
        )
    return "\n".join(lines)


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
