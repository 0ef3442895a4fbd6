"""Every reconstructor by its name: a trained run, PCA, a codec, a classical denoiser, a model from elsewhere.

    baseline("pca-256")                         its description, a `Contestant`, before it is built
    find("pca-256", dataset, noise, store)      the reconstructor itself: call it with `[N, C, H, W]`

Callers never ask which kind a contestant is: every kind has the same fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from math import prod

from aecore import AecoreError
from aecore.data.noise import Noise
from aecore.data.splits import Dataset
from aecore.files import folders
from aecore.models.layers import Shape, shape_text
from aecore.models.reconstructor import Reconstructor
from aecore.reconstructors import codecs, denoisers, foreign, pca
from aecore.runs.groups import groups
from aecore.runs.store import Run, Store, StoreError
from aecore.studies.contestants import CLASSICAL, CODECS, CONTROLS, FOREIGN, LINEAR, Contestant, of_group

NONE = Noise("gaussian", 0.0)
PCA_SIZES = (16, 64, 256, 1024)  # those in the lists; any other can be named
CODEC_QUALITIES = (25, 75)


class NoContestantError(AecoreError):
    """No reconstructor has this name; the text suggests the nearest one."""


def baseline(name: str) -> Contestant:
    """The baseline called `name`, such as `pca-256`, `jpeg-75` or `bm3d`, as a contestant.

    Raises `NoContestantError` with the nearest name if there is none.
    """
    if name in pca.CONTROLS:
        identity = name == "identity"
        return Contestant(
            name,
            name,
            title="no change at all" if identity else "the mean picture",
            family=CONTROLS,
            place=pca.CONTROLS.index(name),
            story="Returns its input unchanged." if identity else "Always returns the mean training picture.",
            knowledge="uses no training data" if identity else "fitted on the training pictures",
            fits=not identity,
            is_linear=True,
        )
    if (components := pca.components(name)) is not None:
        return Contestant(
            name,
            name,
            title=f"PCA with {components:,} components",
            family=LINEAR,
            place=components.bit_length(),
            story="The best that any linear autoencoder of this code size can do.",
            knowledge="fitted on the training pictures",
            fits=True,
            is_linear=True,
        )
    if codecs.is_known(name):
        codec = codecs.find(name)
        return Contestant(
            name,
            name,
            title=f"{codecs.FORMATS[codec.kind].title} at quality {codec.quality}",
            family=CODECS,
            place=3 * list(codecs.FORMATS).index(codec.kind) + codec.quality // 34,
            story="A picture written to a file in memory and read again.",
            knowledge="designed by hand, for large pictures",
        )
    if name in denoisers.METHODS:
        method = denoisers.METHODS[name]
        return Contestant(
            name,
            name,
            title=method.title,
            family=CLASSICAL,
            place=list(denoisers.METHODS).index(name),
            story=method.story,
            knowledge=method.knowledge,
            fits=method.linear,
            tunes=method.choice is not None,
            is_slow=method.slow,
            is_linear=method.linear,
            is_given_the_noise=True,
            missing=method.missing,
        )
    if foreign.is_known(name, folders.checkpoints()):
        return of_foreign(foreign.find(name, folders.checkpoints()).facts)
    raise NoContestantError(f"There is no baseline {name!r}{_nearest(name)} Baselines: {', '.join(KNOWN)}.")


def of_foreign(model: foreign.Model) -> Contestant:
    """A model from elsewhere as a contestant."""
    return Contestant(
        model.key,
        model.label,
        title=model.label,
        family=FOREIGN,
        place=int(model.sha256[:8], 16),
        story=f"An ONNX file from elsewhere, for pictures of {model.sizes}.",
        knowledge="from elsewhere: what it was trained on is not known here"
        + (f"; licence: {model.licence}" if model.licence else ""),
        shape=model.example,
    )


def baselines(shape: Shape, *, any_size: bool = False) -> list[Contestant]:
    """The baselines and the models from elsewhere to list for pictures of `shape`, as `contestants` does.

    Any other size or quality can be named. Those that need all components of pictures too large for PCA are left out.
    """
    numbers = prod(shape)
    names = [*pca.CONTROLS, *(f"pca-{size}" for size in PCA_SIZES if size <= numbers <= pca.MOST_NUMBERS)]
    names += [f"{kind}-{quality}" for kind in codecs.FORMATS for quality in CODEC_QUALITIES]
    brought = foreign.listing(folders.checkpoints()).models
    others = [model for model in brought if (model.channels == shape[0] if any_size else model.takes(shape))]
    small = numbers <= pca.MOST_NUMBERS
    names += [name for name in denoisers.METHODS if small or name != denoisers.GLOBAL_WIENER]
    return [*map(of_foreign, others), *map(baseline, names)]


def contestants(runs: Iterable[Run], shape: Shape, *, can_fit: bool = True, any_size: bool = False) -> list[Contestant]:
    """One for all seeds of each of the `runs` that take pictures of `shape`, and the baselines to list for them.

    Unless they `can_fit`, because no training pictures are here, those baselines that are fitted are `missing`. For
    pictures of `any_size`, which are given to them in tiles, those runs and models from elsewhere are listed too that
    were made for another height and width.
    """

    def fits(run: Run) -> bool:
        own = run.spec.architecture.input_shape
        return own[0] == shape[0] if any_size else own == shape

    trained = [of_group(group) for group in groups(filter(fits, runs))]
    listed = baselines(shape, any_size=any_size)
    return [*trained, *(baseline if can_fit else _unless_fitted(baseline) for baseline in listed)]


def _unless_fitted(contestant: Contestant) -> Contestant:
    why = f"{contestant.label} must be fitted to the training pictures, which are not here."
    return replace(contestant, missing=why) if contestant.fits and not contestant.missing else contestant


def is_baseline(name: str) -> bool:
    """Whether `name` is a baseline's and not a run's."""
    return (
        pca.is_known(name)
        or codecs.is_known(name)
        or name in denoisers.METHODS
        or foreign.is_known(name, folders.checkpoints())
    )


def check(name: str, shape: Shape) -> None:
    """Raise an `AecoreError` if there is no baseline `name` for pictures of `shape`."""
    if (components := pca.components(name)) is not None:
        pca.check_components(components, shape)
    elif codecs.is_known(name):
        codecs.find(name, shape)
    elif name in denoisers.METHODS:
        denoisers.find_method(name)
    elif foreign.is_known(name, folders.checkpoints()):
        model = foreign.find(name, folders.checkpoints()).facts
        if not model.takes(shape):
            raise NoContestantError(f"{name} takes pictures of {model.sizes}, not {shape_text(shape)}.")
    else:
        baseline(name)


def find(name: str, dataset: Dataset, noise: Noise | None, store: Store) -> Reconstructor:
    """The reconstructor with this name or run's key, for pictures of `dataset` under `noise`.

    A baseline that must be fitted is fitted once; the fit is stored beside the runs. Raises an `AecoreError` that lists
    the known names if there is none.
    """
    if pca.is_known(name):
        return pca.find(name, dataset, store.root)
    if codecs.is_known(name):
        return codecs.find(name, dataset.shape)
    if name in denoisers.METHODS:
        return denoisers.prepare(name, dataset, noise or NONE, store.root)
    if foreign.is_known(name, store.root) or ":" in name:
        return foreign.find(name, store.root)
    return trained(name, store).model()


def trained(name: str, store: Store) -> Run:
    """The run with this name; raises a `StoreError` that lists the runs and the baselines if there is none."""
    try:
        return store.find(name)
    except StoreError as error:
        raise StoreError(f"{error} Baselines: {', '.join(KNOWN)}{_nearest(name)}") from None


def _nearest(name: str) -> str:
    matches = difflib.get_close_matches(name.lower(), KNOWN, n=1)
    return f"; did you mean {matches[0]}?" if matches else "."


KNOWN = (*pca.EXAMPLES, *codecs.EXAMPLES, *denoisers.METHODS)
