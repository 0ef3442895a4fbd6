"""What takes seconds and is the same in every test of a page is done once."""

from collections.abc import Iterator
from functools import cache

import pandas as pd
import pytest
from streamlit.components.v2 import manifest_scanner

from aecore.data.noise import Noise
from aecore.runs.store import WEIGHTS
from aecore.studies.contestants import Contestant
from pages.components import cached
from pages.components.gallery import moving


@pytest.fixture(scope="session", autouse=True)
def _installed_packages_are_searched_once() -> Iterator[None]:
    """Streamlit looks through all of them for components whenever an `AppTest` is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session", autouse=True)
def _the_first_pictures_are_computed_once() -> Iterator[None]:
    """Tests empty Streamlit's caches; the pictures at the top of the gallery depend on the weights alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "_figure", cache(moving._figure))
        yield


@pytest.fixture(scope="session", autouse=True)
def _a_run_is_scored_once_on_the_sample() -> Iterator[None]:
    """Tests empty Streamlit's caches, but the scores of the same weights on the embedded sample stay the same."""
    known: dict[object, pd.DataFrame] = {}
    score = cached._scores

    def remembered(
        contestant: Contestant, dataset_name: str, noise: Noise | None, seed: int, most: int | None
    ) -> pd.DataFrame:
        if contestant.run is None or dataset_name != "sample":
            return score(contestant, dataset_name, noise, seed, most)
        key = contestant.run.files[WEIGHTS]["sha256"], noise, seed, most
        if key not in known:
            known[key] = score(contestant, dataset_name, noise, seed, most)
        return known[key].copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "_scores", remembered)
        yield
