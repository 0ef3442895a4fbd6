"""What every test shares: where the real data lies, and how hypothesis runs."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# On a machine that is busy with something else, torch's threads spin waiting for each other: a hundred times slower.
# Set before torch is imported, and inherited by the processes that tests start. No test needs it to pass: where bits of
# two processes are compared, `one_thread` sees to both.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A deadline would make a busy machine fail a test that says nothing about time.
settings.register_profile("aecore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("aecore")


@pytest.fixture(scope="session")
def sample_fits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's folder with the PCA of the embedded sample, whose fit takes seconds: made once for all processes.

    It is to be copied: nothing may be added to it.
    """
    # Imported here, after the number of threads is set above.
    from aecore.data import datasets
    from aecore.reconstructors.pca import cached_pca

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all the workers' folders
    cached_pca(datasets.load("sample"), root / "sample")
    return root / "sample"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real CIFAR-10, as AECORE_DATA names it."""
    folder = os.environ.get("AECORE_DATA")
    if folder is None:
        pytest.skip("AECORE_DATA is not set: it should name the folder that holds the real CIFAR-10")
    if not (Path(folder) / "cifar-10-batches-py" / "test_batch").is_file():
        pytest.skip(f"the real CIFAR-10 is not in AECORE_DATA ({folder}): `python -m aecore data fetch cifar10`")
    return Path(folder)
