"""How long a photograph takes through models and classical methods, and how much memory.

    python -m benchmarks.photos [NAME …] [--megapixels 12]

Each in a process of its own, on one core, as the dashboard computes it: the seconds for the output alone, those for its
scores, and the most memory that the process had in use, with Python, torch, the photograph, its noise and all. On Linux
also the most that was added to that while the output was computed, per pixel of the photograph.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from aecore.data import datasets, photographs
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.measuring import large
from aecore.reconstructors import tiled
from aecore.runs.store import Store
from aecore.studies import by_name

NAMES = (
    "denoise-unet",
    "denoise-residual",
    "shallow-strided",
    "deep-strided-4-bn",
    "dense",
    "conv-dense",
    "compress-128",
    "jpeg-75",
    "webp-75",
    "avif-75",
    "blur",
    "median",
    "patch-wiener",
    "wavelet",
)
NOISE = Noise("gaussian", 0.1)
_PHOTOGRAPH = "coffee"  # enlarged, with the proportions of a camera


def photograph(megapixels: float) -> np.ndarray:
    """A photograph `[3, H, W]` of about so many megapixels."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    picture = Image.fromarray(photographs.sample(_PHOTOGRAPH).pixels.transpose(1, 2, 0))
    enlarged = picture.resize((height * 4 // 3, height), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(enlarged).transpose(2, 0, 1))


def measure(name: str, megapixels: float) -> dict[str, float]:
    """Seconds and peak of one contestant, in this process."""
    torch.set_num_threads(1)
    reconstruct = by_name.find(name, datasets.load("cifar10"), NOISE, Store())
    clean = to_float(torch.from_numpy(photograph(megapixels))[None])
    given = noisy(clean, NOISE, 0, (0,))
    before = _resident()
    start = perf_counter()
    output = tiled.finished(tiled.at_full_resolution(reconstruct, given))
    computed = perf_counter()
    added = (_peak() - before) / given[0, 0].numel()
    psnr = large.scores(output, clean)["psnr"]
    scored = perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # of kilobytes
    return {"seconds": computed - start, "scoring": scored - computed, "gigabytes": peak, "added": added, "psnr": psnr}


def _resident() -> int:
    """The bytes that are in use now, from which on `_peak` counts."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(field: str) -> int:
    if sys.platform != "linux":
        return 0
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def main() -> None:
    """Measure, and print one line per contestant."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photos", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.names[0], arguments.megapixels)))
        return
    print(f"{arguments.megapixels:g} megapixels, {NOISE}, one core\n")
    print("| | s | scoring, s | peak, GB | added, bytes per pixel | PSNR, dB |\n|---|--:|--:|--:|--:|--:|")
    for name in arguments.names:
        command = [sys.executable, "-m", "benchmarks.photos", name, "--here", "--megapixels", str(arguments.megapixels)]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        one = json.loads(line.splitlines()[-1])
        print(
            f"| {name} | {one['seconds']:.1f} | {one['scoring']:.1f} | {one['gigabytes']:.2f} | {one['added']:.0f} "
            f"| {one['psnr']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
