"""The noise, scores, texts and colours that the lens computes in a real browser are those of the server."""

import json
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from playwright.sync_api import Page
from skimage.metrics import structural_similarity

from aecore.data.noise import KINDS, Noise, noisy, picture_seed
from aecore.data.splits import to_float
from aecore.measuring import metrics
from aecore.measuring.totals import Totals, psnr_text
from aecore.models.layers import Shape
from pages.components import cached, errors
from pages.components.browser_parts import joined
from pages.components.colour_scales import ENDS, Kind
from pages.components.lens import sheets
from tests.aecore.rounding import EPS, EXACT, SHOWN, in_decibels, of_mse

LENS = Path(errors.__file__).parent / "lens"
# Whole blocks of 16 normal numbers, a last block that is not whole, and fewer numbers than a block.
SHAPES: list[Shape] = [
    *((1, 28, 28), (3, 32, 32), (3, 33, 41), (1, 33, 41), (3, 96, 96), (3, 31, 17)),
    *((1, 4, 4), (1, 1, 17), (3, 5, 7), (3, 2, 2), (1, 3, 5), (1, 2, 2)),
]
# A normal number is 5.8 at most. Browser and torch may round its angle of up to 2π apart by 6 `EPS`, and its sine and
# its radius by 2 each.
NORMAL_OFF = 5.8 * (6 + 2 + 2) * EPS
REAL: list[Shape] = [(1, 28, 28), (3, 32, 32), (3, 33, 41), (3, 96, 96), (1, 11, 11)]


@pytest.fixture
def lens(page: Page) -> Page:
    """An empty page that knows the functions of the lens."""
    page.add_script_tag(content=joined(*(LENS / f"{name}.js" for name in ("noise", "metrics", "colours"))))
    return page


def computed(lens: Page, expression: str, cases: Sequence[dict[str, Any]]) -> list[Any]:
    """The value of a JavaScript `expression` of each case's entries."""
    names = ", ".join(cases[0])
    script = f"text => JSON.stringify(JSON.parse(text).map(({{ {names} }}) => {expression}))"
    return list(json.loads(lens.evaluate(script, json.dumps(cases))))


def picture(random: Generator, shape: Shape) -> NDArray[np.uint8]:
    """Patches of all brightnesses, some of them black, white and even."""
    channels, height, width = shape
    patches = random.choice([0, 255, *random.integers(0, 256, 6)], (channels, height // 8 + 1, width // 8 + 1))
    grain = random.integers(-20, 21, shape) * random.integers(0, 2)
    return np.asarray((patches.repeat(8, 1).repeat(8, 2)[:, :height, :width] + grain).clip(0, 255).astype(np.uint8))


def levels(random: Generator, kind: str, count: int) -> list[float]:
    """Levels from the lowest to the highest, half of them as a slider gives them."""
    rule = KINDS[kind]
    drawn = random.uniform(rule.lowest, rule.highest, count)
    few = (10 ** random.uniform(-3, 0, count)).clip(rule.lowest, rule.highest)
    return [float(max(level.round(2), rule.lowest)) for level in drawn[::2]] + few[: count // 2].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_that_of_the_server(lens: Page, kind: str) -> None:
    random = np.random.default_rng(list(kind.encode()))
    cases, expected = [], []
    for shape, level in zip(SHAPES * 2, levels(random, kind, 2 * len(SHAPES)), strict=True):
        clean = to_float(torch.from_numpy(picture(random, shape)))
        seed, index = int(random.integers(0, 2**40)), int(random.integers(0, 60_000))
        expected.append(noisy(clean[None], Noise(kind, level), seed, [index])[0].numpy())
        cases.append(
            {
                "pixels": clean.flatten().tolist(),
                "shape": shape,
                "level": level,
                "seed": picture_seed(seed, index),
            }
        )
    drawn = computed(lens, f"[...noisy(Float32Array.from(pixels), shape, '{kind}', level, seed)]", cases)
    off = [
        np.abs(np.float32(values).reshape(truth.shape) - truth) for values, truth in zip(drawn, expected, strict=True)
    ]
    print(f"{kind}: at most {max(error.max() for error in off):.2g} off")
    for case, truth, error in zip(cases, expected, off, strict=True):
        if kind in ("gaussian", "speckle"):
            assert (error <= case["level"] * NORMAL_OFF + 2 * EPS * (1 + np.abs(truth))).all()
        else:
            assert not error.any(), case["shape"]


def test_at_a_border_the_browser_decides_as_the_server(lens: Page) -> None:
    """Half a pixel is hidden, or a level is exactly the number drawn for a pixel."""
    shape = (3, 33, 41)
    clean = to_float(torch.from_numpy(picture(np.random.default_rng(12), shape)))
    drawn = torch.empty(8).uniform_(generator=torch.Generator().manual_seed(picture_seed(0, 0))).tolist()
    noises = [Noise("occlusion", 0.25), *(Noise("masking", value) for value in drawn)]
    noises += [Noise("salt-pepper", 2 * min(value, 1 - value)) for value in drawn]
    cases = [
        {"pixels": clean.flatten().tolist(), "kind": noise.kind, "level": noise.level, "seed": picture_seed(0, 0)}
        for noise in noises
    ]
    values = computed(lens, f"[...noisy(Float32Array.from(pixels), {list(shape)}, kind, level, seed)]", cases)
    assert values == [noisy(clean[None], noise, 0, [0]).flatten().tolist() for noise in noises]


def test_every_level_of_a_draw_is_the_noise_of_that_level(lens: Page) -> None:
    """In any order, into the same place, and level 0 gives the clean picture."""
    clean = to_float(torch.from_numpy(picture(np.random.default_rng(5), (3, 33, 41))))
    order = [0.3, 1.0, 0.0, 0.01, 0.3]
    cases = [{"kind": kind, "order": order, "pixels": clean.flatten().tolist()} for kind in KINDS]
    at_levels = """(() => {
      const [draw, given] = [new Draw(kind, [3, 33, 41], 7), Float32Array.from(pixels)];
      const into = new Float32Array(given.length);
      return order.map((level) => [...draw.at(given, level, into)]);
    })()"""
    alone = "order.map((level) => [...noisy(Float32Array.from(pixels), [3, 33, 41], kind, level, 7)])"
    of_draw = computed(lens, at_levels, cases)
    assert of_draw == computed(lens, alone, cases)
    for noises in of_draw:
        assert noises[0] == noises[4] != noises[1]
        assert noises[2] == clean.flatten().tolist()


def test_a_large_picture_is_drawn_again_where_its_numbers_are_not_stored(lens: Page) -> None:
    shape, order = (3, 160, 160), [0.1, 0.3, 0.1]
    clean = to_float(torch.from_numpy(picture(np.random.default_rng(11), shape)))
    expected = [noisy(clean[None], Noise("poisson", level), 1, [2]).flatten().tolist() for level in order]
    case = {"pixels": clean.flatten().tolist(), "order": order, "seed": picture_seed(1, 2)}
    script = f"""(() => {{
      const draw = new Draw("poisson", {list(shape)}, seed);
      const noises = order.map((level) => [...draw.at(Float32Array.from(pixels), level)]);
      return [draw.values.count, STREAM_LIMIT, noises];
    }})()"""
    ((count, limit, noises),) = computed(lens, script, [case])
    assert count == limit < clean.numel() * 2
    assert noises == expected


def test_what_cannot_be_drawn_is_refused(lens: Page) -> None:
    assert lens.evaluate("[canDraw('poisson'), canDraw('fog'), canDraw('toString')]") == [True, False, False]
    said = "(draw) => { try { draw(); } catch (error) { return error.message; } }"
    for wrong, message in (
        ("() => new Draw('fog', [3, 8, 8], 0)", "There is no noise called fog."),
        ("() => noisy(new Float32Array(63), [1, 8, 8], 'gaussian', 1, 0)", "The picture is not 1×8×8."),
        ("() => ssim(new Float32Array(80), new Float32Array(80), [1, 8, 10])", "at least 11×11 pixels"),
    ):
        assert message in lens.evaluate(f"({said})({wrong})")


def test_scores_are_those_of_the_server_and_of_scikit_image(lens: Page) -> None:
    random = np.random.default_rng(3)
    cases, pairs = [], []
    for shape, level in zip(REAL * 6, np.linspace(0, 1, 6 * len(REAL)), strict=True):
        clean = to_float(torch.from_numpy(picture(random, shape)))
        output = clean + float(level) * torch.from_numpy(random.standard_normal(shape).astype(np.float32))
        pairs.append((output[None], clean[None]))
        cases.append({"output": output.flatten().tolist(), "clean": clean.flatten().tolist(), "shape": shape})
    scores = computed(lens, "[mse(output, clean), ssim(output, clean, shape)]", cases)
    assert scores[0] == [0, 1]
    off = []
    for (error, similarity), (output, clean) in zip(scores, pairs, strict=True):
        exact = output.double(), clean.double()
        assert error == pytest.approx(metrics.mse(*exact).item(), rel=EXACT)
        assert similarity == pytest.approx(metrics.ssim(*exact).item(), abs=EXACT)
        assert error == pytest.approx(metrics.mse(output, clean).item(), rel=of_mse(clean[0]))
        by_scikit = structural_similarity(
            *(images[0].clamp(0, 1).numpy() for images in exact),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=0,
        )
        assert similarity == pytest.approx(by_scikit, abs=EXACT)
        off.append(abs(similarity - metrics.ssim(output, clean).item()))
    print(f"ssim: at most {max(off):.2g} off the server's, which is computed in float32")
    assert max(off) < SHOWN


def test_psnr_is_pooled_from_the_mean_of_the_errors(lens: Page) -> None:
    mses = 10 ** np.random.default_rng(4).uniform(-6, 0, (50, 12))
    values = computed(lens, "[pooledPsnr(row), row.map(psnr)]", [{"row": row} for row in mses.tolist()])
    for row, (pooled, own) in zip(mses, values, strict=True):
        expected = -10 * np.log10(row)
        totals = Totals.of(pd.DataFrame({"mse": row, "psnr": expected, "ssim": row}))
        assert pooled == pytest.approx(totals.psnr_pooled, abs=in_decibels(EXACT))
        assert own == pytest.approx(expected.tolist(), abs=in_decibels(EXACT))
    assert lens.evaluate("[psnr(0), pooledPsnr([0, 0])]") == [inf, inf]


def numbers_to_write(random: Generator) -> list[float]:
    """Of all sizes; as float32; halfway between two texts; and at the borders where the form changes."""
    sizes = 10 ** random.uniform(-9, 6, 3000) * random.choice([-1, 1], 3000)
    halfway = random.integers(-(2**13), 2**13, 4000) / 2.0 ** random.integers(0, 14, 4000)
    decimal = [float(f"{number:.4g}") for number in sizes[:2000]]
    borders = [0.0, -0.0, 1.0, 1e-4, 9.995e-5, 9.9949e-5, 1e-5, 0.9995, 99.95, 999.5, 1000.0, 1005.0, 1e20, 2.5, 0.0005]
    return [*sizes, *sizes[:1000].astype(np.float32).astype(float), *halfway, *decimal, *borders]


def test_numbers_are_written_as_python_writes_them(lens: Page) -> None:
    numbers = [float(number) for number in numbers_to_write(np.random.default_rng(6))]
    texts = computed(
        lens,
        "[generalText(x), fixedText(x, 3), fixedText(x, 0), psnrText(x), psnrText(x, 2)]",
        [{"x": number} for number in numbers],
    )
    for x, written in zip(numbers, texts, strict=True):
        assert written == [f"{x:.3g}", f"{x:.3f}", f"{x:.0f}", psnr_text(x), psnr_text(x, 2)], x
    for x in (inf, -inf, float("nan")):
        written = lens.evaluate("x => [generalText(x), fixedText(x, 3), psnrText(x)]", x)
        assert written == [f"{x:.3g}", f"{x:.3f}", psnr_text(x)]


def test_the_numbers_under_a_picture_are_those_of_the_sheet(lens: Page) -> None:
    random = np.random.default_rng(8)
    mses, ssims = [0.0, 1.0, *(10 ** random.uniform(-7, 0, 2000))], [1.0, 0.0, *random.uniform(-1, 1, 2000)]
    cases = [{"error": float(error), "ssim": float(value)} for error, value in zip(mses, ssims, strict=True)]
    table = pd.DataFrame({"mse": mses, "psnr": [inf, *(-10 * np.log10(mses[1:]))], "ssim": ssims})
    written = computed(lens, "numberTexts(error, ssim)", cases)
    assert [[tuple(entry) for entry in row] for row in written] == sheets.numbers_of(table)


def test_shown_pixels_are_those_of_the_server(lens: Page) -> None:
    random = np.random.default_rng(9)
    halves = (np.arange(256) + 0.5) / 255
    near = np.concatenate([halves, np.nextafter(halves.astype(np.float32), 2), np.nextafter(halves, 0)])
    values = np.concatenate([near, random.uniform(-0.5, 1.5, 5000), [-0.0, 0, 1, 1e9, -1e9]]).astype(np.float32)
    assert (values * np.float32(255) % 1 == 0.5).sum() > 100
    (shown,) = computed(lens, "[...displayed(Float32Array.from(values))]", [{"values": values.tolist()}])
    assert shown == cached._displayed(values).tolist()


def changed(random: Generator, clean: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Outputs with no, even, small and large errors, and with one in a single pixel."""
    even = [np.full(clean.shape, change) for change in (0, 3, 51)]  # 51 / 255 is the end of a scale
    for change in even + [random.integers(-size, size + 1, clean.shape) for size in (1, 5, 60, 255)]:
        yield (clean.astype(int) + change).clip(0, 255).astype(np.uint8)
    single = clean.copy()
    single[0, :, 0, 0] ^= 255
    yield single


@pytest.mark.parametrize("kind", ["absolute", "signed"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 33, 41)])
def test_errors_have_the_colours_of_the_server(lens: Page, kind: Kind, shape: Shape) -> None:
    random = np.random.default_rng(10)
    clean = np.stack([picture(random, shape) for _ in range(3)])
    cases, expected = [], []
    for output in changed(random, clean):
        scale = errors.scale_of(kind, [output, clean], clean)
        expected.append((scale.highest, errors.colored(scale, output, clean).transpose(0, 2, 3, 1).tolist()))
        cases.append(
            {
                "outputs": output.reshape(len(clean), -1).tolist(),
                "cleans": clean.reshape(len(clean), -1).tolist(),
                "ends": ENDS,
                "table": errors.table(kind).tolist(),
            }
        )
    expression = f"""(() => {{
      const of = (pictures) => pictures.map((picture, n) => pixelErrors("{kind}", picture, cleans[n], {list(shape)}));
      const [own, none] = [of(outputs), of(cleans)];
      const end = scaleEnd([...own, ...none], ends);
      return [end, own.map((errors) => [...coloured("{kind}", errors, end, table)])];
    }})()"""
    for (end, pictures), (highest, colours) in zip(computed(lens, expression, cases), expected, strict=True):
        assert end == highest
        pixels = np.reshape(pictures, (len(clean), *shape[1:], 4))
        assert pixels[..., :3].tolist() == colours
        assert (pixels[..., 3] == 255).all()


def test_a_scale_goes_beyond_its_round_ends_if_it_must(lens: Page) -> None:
    everything = np.full((1, 1, 2, 2), 255, dtype=np.uint8)
    assert errors.scale_of("absolute", [everything], 0 * everything).highest == 1
    assert lens.evaluate("scaleEnd([[0.3, 0.3]], [0.1, 0.2])") == 0.3
