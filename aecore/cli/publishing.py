"""The commands whose results are committed: `publish`, and those that measure one figure each."""

from __future__ import annotations

import argparse

from aecore.cli.output import say
from aecore.cli.training import DEVICES, RESUMABLE, follow, train_here
from aecore.measuring.intervals import FEWEST_PAIRS
from aecore.models import zoo
from aecore.models.recipe import RecipeError
from aecore.runs import execution
from aecore.runs.store import Store, StoreError
from aecore.studies import (
    denoising_measurement,
    legibility_measurement,
    pca_measurement,
    rate_measurement,
    resolution,
    resolution_measurement,
    tables,
)
from aecore.studies.denoising import SUBSET
from aecore.studies.legibility import PUBLISHED
from aecore.training.devices import find_device


def add_publish(parser: argparse.ArgumentParser) -> None:
    """The options of `publish`."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="systems (default: all)")
    parser.add_argument("--device", metavar="NAME", help=DEVICES)
    parser.set_defaults(command=_publish, stopped=RESUMABLE)


def add_baselines(parser: argparse.ArgumentParser) -> None:
    """The options of `baselines`: none."""
    parser.set_defaults(command=_baselines)


def add_denoising(parser: argparse.ArgumentParser) -> None:
    """The options of `denoising`."""
    parser.add_argument("--images", type=int, metavar="N", help="only the first N test pictures (default: all)")
    parser.set_defaults(
        command=_denoising, stopped="Stopped. Finished measurements are kept: the same command continues from there."
    )


def add_rates(parser: argparse.ArgumentParser) -> None:
    """The options of `rates`: none."""
    parser.set_defaults(
        command=_rates, stopped="Stopped. Finished curves are kept: the same command continues from there."
    )


def add_legibility(parser: argparse.ArgumentParser) -> None:
    """The options of `legibility`."""
    parser.add_argument("--images", type=int, metavar="N", help="only the first N test pictures (default: all)")
    parser.set_defaults(
        command=_legibility,
        stopped="Stopped. Finished measurements are kept, and so is a classifier once it is trained: the same command "
        "continues from there.",
    )


def add_resolution(parser: argparse.ArgumentParser) -> None:
    """The options of `resolution`: none."""
    parser.set_defaults(command=_resolution, stopped=RESUMABLE)


def _publish(options: argparse.Namespace) -> None:
    store, device = Store(), find_device(options.device)
    for system in [zoo.find(name) for name in options.names] or zoo.SYSTEMS.values():
        # With its name given, the data set must be here: figures of the embedded sample are never published.
        spec = execution.plan(system, dataset=system.dataset, store=store)
        run = store.finished(spec)
        if run and run.dtype != "float16":
            raise StoreError(f"{run.path.name} is stored in {run.dtype}: remove the folder to publish it in float16.")
        run = train_here(spec, device, half=True)
        if not run.is_comparable:
            follow(spec, execution.rescored(run, store))
    print(tables.results_table(store), tables.compressing_table(store), sep="\n\n")


def _baselines(options: argparse.Namespace) -> None:
    pca_measurement.publish(Store().root, progress=say)


def _denoising(options: argparse.Namespace) -> None:
    if options.images is not None and options.images < SUBSET:
        raise RecipeError(f"--images must be at least {SUBSET}, not {options.images}.")
    curves = denoising_measurement.publish(Store(), progress=say, most=options.images)
    shown = tables.denoising_table, tables.denoising_comparison, tables.ceiling_table
    print(*(table(curves) for table in shown), sep="\n\n")


def _rates(options: argparse.Namespace) -> None:
    for rates in rate_measurement.publish(Store().root, progress=say):
        print(tables.rates_table(rates), tables.bits_per_pixel_table(rates), sep="\n\n")


def _legibility(options: argparse.Namespace) -> None:
    if options.images is not None and options.images < FEWEST_PAIRS:
        raise RecipeError(f"--images must be at least {FEWEST_PAIRS}, not {options.images}.")
    for name in PUBLISHED:
        legibility = legibility_measurement.publish(Store(), name, progress=say, most=options.images)
        print(tables.legibility_table(legibility), end="\n\n")


def _resolution(options: argparse.Namespace) -> None:
    study = resolution_measurement.publish(Store(), progress=say)
    print(tables.resolution_table(study), tables.resolution_ranking(study), resolution.summary(study), sep="\n\n")
