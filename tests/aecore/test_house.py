"""The house: what must stay light, and where files lie. `make lint` checks the floors (`pyproject.toml`)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "pandas", "piq", "scipy", "skimage"}
# What lists, names and reads what is published answers at once.
LIGHT = (
    "aecore.cli.checking",
    "aecore.cli.main",
    "aecore.cli.listing",
    "aecore.data.catalog",
    "aecore.models.diagnosis",
    "aecore.models.zoo",
    "aecore.runs.groups",
    "aecore.runs.store",
    "aecore.scheduling.costs",
    "aecore.scheduling.engines",
    "aecore.scheduling.queue",
    "aecore.studies.ceiling",
    "aecore.studies.denoising",
    "aecore.studies.legibility",
    "aecore.studies.pca_curves",
    "aecore.studies.rates",
    "pages.app.browser_packages",
)
# What the gallery is painted with, before it begins to import torch.
PAINTED = (
    "entries",
    "look",
    "previews",
    "readings",
    "gallery.bits",
    "gallery.cards",
    "gallery.filters",
    "gallery.headline",
    "diagrams",
    "system.differences",
    "system.legible",
    "system.portrait",
)
# Tests of what no single module holds.
OF_THE_WHOLE = {"test_house.py", "test_packaging.py", "test_registries.py"}


def loaded_after(*modules: str) -> set[str]:
    """What is loaded in a fresh process that imports `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def modules_of(package: str) -> list[str]:
    """Every module below a package, by its dotted name."""
    paths = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name for name in names if not name.endswith(("__init__", "__main__"))]


def test_aecore_never_loads_streamlit() -> None:
    loaded = loaded_after(*modules_of("aecore"))
    assert "aecore.training.loop" in loaded
    assert "streamlit" not in loaded


def test_what_lists_and_names_does_not_wait_for_torch() -> None:
    loaded = loaded_after(*LIGHT)
    assert "aecore.runs.store" in loaded
    assert not loaded & {*HEAVY, "streamlit"}


def test_the_gallery_is_painted_without_torch() -> None:
    loaded = loaded_after(*(f"pages.components.{name}" for name in PAINTED))
    assert "streamlit" in loaded
    assert not loaded & {"torch", "torchvision"}


def test_pages_lie_in_subfolders() -> None:
    assert not list((ROOT / "pages").glob("*.py"))


def test_every_module_is_named_for_its_subject() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    for folder in ("aecore", "pages"):
        assert not [path for path in (ROOT / folder).rglob("*") if path.stem in vague]


def test_every_test_file_mirrors_a_module() -> None:
    tests = ROOT / "tests" / "aecore"
    mirrored = {path.relative_to(tests) for path in tests.rglob("test_*.py")} - {Path(name) for name in OF_THE_WHOLE}
    modules = {path.relative_to(ROOT / "aecore") for path in (ROOT / "aecore").rglob("*.py")}
    assert mirrored - {path.with_name(f"test_{path.name}") for path in modules} == set()
