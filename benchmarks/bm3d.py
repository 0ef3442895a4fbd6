"""How much BM3D gains by accounting for the spectrum of the noise, as its library does by default and aecore does not.

    python -m benchmarks.bm3d [--images 30]

The first test pictures of CIFAR-10 at the levels of docs/results.md, each under the same noise both ways: the mean
gain in dB with its 95% interval, and how many times as long it takes.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import pandas as pd
import torch

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.measuring.intervals import FEWEST_PAIRS, paired_differences
from aecore.measuring.scoring import per_picture
from aecore.reconstructors import denoisers
from aecore.studies.denoising import SEED, TABLE_LEVELS

LIBRARY_DEFAULT = 32


def main() -> None:
    """Measure, and print one line per level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30, help="test pictures at each level")
    images = parser.parse_args().images
    if missing := denoisers.METHODS["bm3d"].missing:
        parser.error(missing)
    if images < FEWEST_PAIRS:
        parser.error(f"--images must be at least {FEWEST_PAIRS}, not {images}: fewer have no interval.")
    torch.set_num_threads(1)
    clean = to_float(datasets.load("cifar10").test.pixels[:images])
    for level in TABLE_LEVELS:
        given = noisy(clean, Noise("gaussian", level), SEED, range(images))
        psnr, seconds = dict[str, pd.Series](), []
        for name, spectrum in (("with", LIBRARY_DEFAULT), ("without", 0)):
            started = perf_counter()
            output = denoisers._bm3d(given, level, spectrum)
            seconds.append(perf_counter() - started)
            psnr[name] = per_picture(output.float(), clean, ("psnr",))["psnr"]
        (gain,) = paired_differences(pd.DataFrame(psnr))
        print(
            f"σ {level:.4f}: {gain.mean:+.3f} dB ({gain.low:+.3f} to {gain.high:+.3f}), "
            f"{seconds[0] / seconds[1]:.0f} times as long",
            flush=True,
        )


if __name__ == "__main__":
    main()
