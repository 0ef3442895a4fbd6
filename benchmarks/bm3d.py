"""Whether BM3D as aecore calls it does as well as its library by default, on small pictures, and how long both take.

    python -m benchmarks.bm3d [--images 50]

The first test pictures of CIFAR-10 at the levels of docs/results.md, both under the same noise: the mean gain of
aecore's call in dB with its 95% interval, and how many times as long the library takes by default.
"""

from __future__ import annotations

import argparse
from functools import partial
from time import perf_counter

import bm3d
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.files import folders
from aecore.measuring.intervals import FEWEST_PAIRS, paired_differences
from aecore.measuring.scoring import per_picture
from aecore.reconstructors import denoisers
from aecore.studies.denoising import SEED, TABLE_LEVELS


def by_default(pictures: Tensor, level: float) -> Tensor:
    """What the library makes of colour pictures `[N, 3, H, W]` with its own settings, on one core."""
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    rows = [bm3d.bm3d_rgb(picture, level, profile) for picture in pictures.permute(0, 2, 3, 1).double().numpy()]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float()


def main() -> None:
    """Measure, and print one line per level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50, help="test pictures at each level")
    images = parser.parse_args().images
    if images < FEWEST_PAIRS:
        parser.error(f"--images must be at least {FEWEST_PAIRS}, not {images}: fewer have no interval.")
    torch.set_num_threads(1)
    dataset = datasets.load("cifar10")
    clean = to_float(dataset.test.pixels[:images])
    for level in TABLE_LEVELS:
        noise = Noise("gaussian", level)
        given = noisy(clean, noise, SEED, range(images))
        own = denoisers.prepare("bm3d", dataset, noise, folders.checkpoints())
        psnr, seconds = dict[str, pd.Series](), []
        for name, call in (("aecore", own), ("default", partial(by_default, level=level))):
            started = perf_counter()
            output = call(given)
            seconds.append(perf_counter() - started)
            psnr[name] = per_picture(output, clean, ("psnr",))["psnr"]
        (gain,) = paired_differences(pd.DataFrame(psnr))
        print(
            f"σ {level:.4f}: {gain.mean:+.3f} dB ({gain.low:+.3f} to {gain.high:+.3f}), "
            f"the default takes {seconds[1] / seconds[0]:.1f} times as long",
            flush=True,
        )


if __name__ == "__main__":
    main()
