"""UMAP in a process of its own: reads positions and their neighbours, writes the map; see `maps.umap`."""

from __future__ import annotations

import io
import os
import sys
import warnings

import numpy as np

from aecore.measuring.maps import LEAST_DISTANCE, SEED


def main() -> None:
    """Arrays come as `np.savez` writes them, and the map `[N, 2]` goes as `np.save` writes it."""
    os.environ["NUMBA_NUM_THREADS"] = "1"  # one core, as everything that goes on behind a page
    warnings.simplefilter("ignore")  # it cannot place other pictures later, which nobody asks of it
    from umap import UMAP

    given = np.load(io.BytesIO(sys.stdin.buffer.read()))
    positions, indices, distances = (given[name] for name in given.files)
    model = UMAP(
        n_neighbors=indices.shape[1],
        min_dist=LEAST_DISTANCE,
        random_state=SEED,
        n_jobs=1,
        precomputed_knn=(indices, distances),
        force_approximation_algorithm=True,  # otherwise the neighbours are ignored where there are few positions
    )
    taken = io.BytesIO()
    np.save(taken, model.fit_transform(positions).astype(np.float32))
    sys.stdout.buffer.write(taken.getvalue())


if __name__ == "__main__":
    main()
