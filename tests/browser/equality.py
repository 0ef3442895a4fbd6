"""Models and noise in a real browser, by what the app serves, beside those of torch."""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import Page
from torch import Tensor

from aecore.data import datasets
from aecore.data.catalog import EXCERPTS
from aecore.data.noise import KINDS, Noise, noisy
from aecore.data.splits import Dataset, to_float
from aecore.measuring import metrics
from aecore.models import zoo
from aecore.runs import store
from aecore.runs.store import Store
from pages.app import model_route
from pages.components.lens import component, live
from pages.components.pickers import GivenNoise

AT_ONCE = 20  # cases of which the browser holds the values
RUN = """async ([code, asked]) => {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { Engine, WORKER_SOURCE, noisy, psnr } = await import(url);
  const answers = [];
  for (const { address, shape, picture, live } of JSON.parse(asked)) {
    const engine = Engine.of(live.runtime, WORKER_SOURCE); // the same one for all
    await engine.start(document.body);
    await engine.load(address);
    engine.scene({ shape, pictures: [Uint8Array.from(picture)], kind: live.kind, seeds: live.seeds });
    const { [address]: column } = await engine.frame(live.level, [address]);
    const clean = Float32Array.from(picture, (byte) => byte / 255);
    const given = noisy(clean, shape, live.kind, live.level, live.seeds[0]);
    const output = await engine.run(address, given, [1, ...shape]);
    const scores = { psnr: psnr(column.errors[0]), ssim: column.similarities[0] };
    answers.push({ noisy: [...given], output: [...output], ...scores });
  }
  return JSON.stringify(answers);
}"""


class Case(NamedTuple):
    """A system on a test picture of its data set's excerpt, under a noise that is drawn from a seed."""

    system: str
    picture: int
    noise: Noise
    seed: int

    @property
    def data(self) -> Dataset:
        """The excerpt."""
        whole = zoo.find(self.system).dataset
        return datasets.load(next(name for name, excerpt in EXCERPTS.items() if excerpt.whole == whole))


class Apart(NamedTuple):
    """How far apart the values of a browser and of torch are in a case: of pictures the farthest of all values."""

    case: Case
    noisy: float
    output: float
    psnr: float  # dB
    ssim: float


def systems() -> list[str]:
    """Those that the browser can run."""
    runs = {name: Store().find(name) for name in zoo.SYSTEMS}
    return [name for name, run in runs.items() if model_route.address(run)]


def cases(count: int, random: Random) -> list[Case]:
    """Cases with every system and every kind of noise in turn and all else at random, sorted by system."""
    names, kinds = systems(), list(KINDS)
    drawn = []
    for number in range(count):
        if number % len(names) == 0:
            random.shuffle(names)
        kind = kinds[number % len(kinds)]
        noise = Noise(kind, round(random.uniform(0, KINDS[kind].highest), 2))  # a level as the slider gives it
        case = Case(names[number % len(names)], 0, noise, random.randrange(10_000))
        drawn.append(case._replace(picture=random.randrange(len(case.data.test))))
    return sorted(drawn, key=lambda case: case.system)


def compared(page: Page, address: str, chosen: Sequence[Case]) -> Iterator[Apart]:
    """Run the cases in a browser, with what a dashboard at an address serves, and here with torch."""
    page.goto(f"{address}/_stcore/health")  # of the same origin, and otherwise empty
    code = f"{component.scripts('noise', *component.SHEETS)}\nexport {{ Engine, WORKER_SOURCE, noisy, psnr }};"
    for first in range(0, len(chosen), AT_ONCE):
        group = chosen[first : first + AT_ONCE]
        answers = json.loads(page.evaluate(RUN, [code, json.dumps([_asked(case) for case in group])]))
        yield from map(_apart, group, answers)


def _asked(case: Case) -> dict[str, Any]:
    """What the browser is given: what a page sends, with one picture."""
    given = GivenNoise(case.noise.kind, case.noise.level, case.seed, "level")
    return {
        "address": model_route.address(Store().find(case.system)),
        "shape": case.data.shape,
        "picture": case.data.test.pixels[case.picture].flatten().tolist(),
        "live": live.described(given, [], [case.picture]),
    }


def _apart(case: Case, answer: dict[str, Any]) -> Apart:
    clean = to_float(case.data.test.pixels[[case.picture]])
    given = noisy(clean, case.noise, case.seed, [case.picture])
    output = store.load(case.system)(given)
    return Apart(
        case,
        _farthest(answer["noisy"], given),
        _farthest(answer["output"], output),
        abs(answer["psnr"] - metrics.psnr(metrics.mse(output, clean)).item()),
        abs(answer["ssim"] - metrics.ssim(output, clean).item()),
    )


def _farthest(values: list[float], others: Tensor) -> float:
    return float(np.abs(np.array(values) - others.double().flatten().numpy()).max())
