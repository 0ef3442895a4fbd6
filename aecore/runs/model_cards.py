"""The card of a trained model: a `README.md` that model hubs read, and people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aecore.data import catalog
from aecore.data.catalog import SOURCES, is_folder
from aecore.measuring.totals import psnr_text
from aecore.models import zoo
from aecore.models.layers import shape_text
from aecore.runs.store import Run

if TYPE_CHECKING:
    import pandas as pd

_UNITS = {"mse": "", "psnr": " dB", "ssim": ""}
_TITLES = {"mse": "MSE", "psnr": "PSNR, mean over pictures", "ssim": "SSIM"}


def card(run: Run, archive: str, multiple: int | None) -> str:
    """The card of a run whose bundle is called `archive`; `multiple` is what the sizes of `model.onnx` must be
    multiples of where they are open."""
    scores = run.scores()
    title = zoo.SYSTEMS[run.name].title if zoo.is_own(run.spec) else run.name
    return "\n".join(
        [
            "---",
            *_metadata(run, scores),
            "---",
            "",
            f"# {title}",
            "",
            *_description(run),
            "",
            "![Test pictures above their reconstructions](preview.png)",
            "",
            "## Figures",
            "",
            *_figures(run, scores),
            "",
            "## Use",
            "",
            *_use(run, archive, multiple),
            "",
        ]
    )


def snippet(run: Run, archive: str) -> str:
    """Five lines of Python that load a run's bundle."""
    channels, height, width = run.spec.architecture.input_shape
    return "\n".join(
        [
            "from aecore.runs import bundles",
            "from aecore.runs.store import Store",
            f'run = bundles.read("{archive}", Store()).run',
            "model = run.model()",
            f"output = model(pictures)  # [N, {channels}, {height}, {width}] float32 in [0, 1]",
        ]
    )


def _metadata(run: Run, scores: pd.DataFrame) -> Iterator[str]:
    """The metadata in YAML. Texts are quoted as JSON quotes them, which YAML reads too."""
    published, source = zoo.is_own(run.spec), SOURCES.get(run.spec.dataset)
    yield f"license: {'mit' if published else 'unknown'}"
    yield "library_name: aecore"
    yield "pipeline_tag: image-to-image"
    yield "tags:"
    denoiser = ["denoising"] if run.spec.recipe.noise else []
    yield from (f"- {tag}" for tag in ["autoencoder", *denoiser, "onnx", "pytorch"])
    if source:
        yield "datasets:"
        yield f"- {run.spec.dataset}"
    yield "metrics:"
    yield from (f"- {name}" for name in _TITLES)
    yield "model-index:"
    yield f"- name: {json.dumps(run.name)}"
    yield "  results:"
    yield "  - task:"
    yield "      type: image-to-image"
    yield "    dataset:"
    yield f"      type: {'own-pictures' if is_folder(run.spec.dataset) else run.spec.dataset}"
    yield f"      name: {json.dumps(_dataset(run))}"
    yield "      split: test"
    yield "    metrics:"
    for name, title in _TITLES.items():
        yield f"    - type: {name}"
        yield f"      name: {json.dumps(title)}"
        yield f"      value: {_number(float(scores[name].mean()))}"


def _dataset(run: Run) -> str:
    """The title of the data set; of a folder not its path, which is nobody else's business."""
    name = run.spec.dataset
    return "own pictures" if is_folder(name) else catalog.title(name)


def _number(value: float) -> str:
    # What is infinite in Python is written with a dot in YAML.
    return f"{value:.6g}" if abs(value) != float("inf") else ".inf"


def _description(run: Run) -> Iterator[str]:
    architecture, recipe = run.spec.architecture, run.spec.recipe
    size = architecture.code_size
    code = f"a code of {size:,} numbers" if size else "no code, because a skip connection bypasses every layer"
    yield (
        f"An autoencoder for pictures of {shape_text(architecture.input_shape)}: {architecture.parameters:,} "
        f"parameters, {architecture.macs:,} multiply-accumulates per picture, {code}."
    )
    if zoo.is_own(run.spec):
        yield ""
        yield zoo.SYSTEMS[run.name].story
    yield ""
    yield "```"
    yield str(architecture)
    yield "```"
    yield ""
    yield "| recipe | |"
    yield "|---|---|"
    settings = {name: value for name, value in recipe.to_json().items() if value is not None}
    settings |= {"data": _dataset(run), "seed": run.spec.seed}
    yield from (f"| {name.replace('_', ' ')} | {value} |" for name, value in settings.items())
    yield f"| key | `{run.key}` |"


def _figures(run: Run, scores: pd.DataFrame) -> Iterator[str]:
    from aecore.measuring.intervals import margin  # SciPy's, which a page that shows the snippet need not wait for

    noise = f" under {recipe_noise} noise" if (recipe_noise := run.spec.recipe.noise) else ""
    count = f"{len(scores):,} test pictures"
    is_own = is_folder(run.spec.dataset)
    pictures = f"{count} of one's own" if is_own else f"the {count} of {_dataset(run)}"
    yield f"On {pictures}{noise}. The pooled PSNR, of the mean error, is {psnr_text(run.totals.psnr_pooled, 2)}."
    yield ""
    yield "| metric | mean | 95% interval of the mean over pictures |"
    yield "|---|--:|--:|"
    for name, title in _TITLES.items():
        mean, half = float(scores[name].mean()), margin(scores[name])
        interval = f"± {half:.2g}{_UNITS[name]}" if half is not None else "–"
        yield f"| {title} | {mean:.4g}{_UNITS[name]} | {interval} |"
    yield ""
    yield (
        "The interval is Student's t over the pictures. It says nothing of other seeds: another one trains another "
        "network."
    )


def _use(run: Run, archive: str, multiple: int | None) -> Iterator[str]:
    channels, height, width = run.spec.architecture.input_shape
    yield "With `aecore`:"
    yield ""
    yield "```python"
    yield from snippet(run, archive).splitlines()
    yield "```"
    yield ""
    yield "With ONNX Runtime alone:"
    yield ""
    yield "```python"
    yield "import onnxruntime"
    yield 'session = onnxruntime.InferenceSession("model.onnx")'
    yield '(output,) = session.run(None, {"pictures": pictures})'
    yield "```"
    yield ""
    size = (
        f"`[N, {channels}, H, W]` of any height and width"
        + (f" that are multiples of {multiple}" if multiple > 1 else "")
        if multiple
        else f"`[N, {channels}, {height}, {width}]`"
    )
    yield f"`pictures` is a float32 array {size}, with values in [0, 1]. Clip the output to [0, 1] before you show it."
