"""The house: what may import what, what stays light, and where files may lie."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = [
    {"layers", "noise", "datasets", "files", "fits", "published", "numbers", "adam", "skips"},
    {"architecture", "recipe"},
    {"zoo"},
    {"training", "scores", "baselines", "codecs", "denoisers"},
    {"store", "supervision", "cluster"},
    {"queue"},
    {"runs", "costs", "reconstructors", "results"},
    {"rates", "filters", "denoising"},
    {"attempts"},
    {"ray_engine"},
    {"engines"},
    {"claims"},
    {"cli", "__main__"},
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
MODULES = {path.stem: path for path in sorted((ROOT / "aecore").rglob("*.py")) if path.stem != "__init__"}


def imported_names(path: Path) -> Iterator[str]:
    """Every module or name that the file imports, wherever in it and for whatever reason, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = importlib.util.resolve_name("." * node.level, "aecore") if node.level else ""
            module = ".".join(filter(None, (package, node.module)))
            yield from (f"{module}.{each.name}" for each in node.names)


def imported_modules(path: Path) -> set[str]:
    dotted = [name.split(".") for name in imported_names(path)]
    return {parts[1] for parts in dotted if parts[0] == "aecore" and len(parts) > 1 and parts[1] in MODULES}


def loaded_after(*modules: str) -> set[str]:
    """What is loaded in a fresh process that imports `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_module_has_a_floor() -> None:
    assert set(MODULES) <= set(FLOOR)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_floors_below_or_its_own(name: str) -> None:
    above = {other for other in imported_modules(MODULES[name]) if FLOOR[other] > FLOOR[name]}
    assert not above


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    # `static_order` raises CycleError, which names the circle.
    order = list(TopologicalSorter({name: imported_modules(path) for name, path in MODULES.items()}).static_order())
    assert set(order) == set(MODULES)


def test_aecore_never_imports_streamlit() -> None:
    for path in MODULES.values():
        assert not any(name.split(".")[0] == "streamlit" for name in imported_names(path)), path
    loaded = loaded_after("aecore", *(f"aecore.{name}" for name in MODULES if name != "__main__"))
    assert "aecore.training" in loaded
    assert "streamlit" not in loaded


def test_what_lists_and_names_does_not_wait_for_torch() -> None:
    loaded = loaded_after("aecore.cli", "aecore.zoo", "aecore.store", "aecore.queue", "aecore.costs", "aecore.engines")
    assert "aecore.store" in loaded
    assert not loaded & {"torch", "torchvision", "pandas", "piq", "scipy", "skimage", "streamlit"}


def test_the_gallery_is_painted_without_torch() -> None:
    names = (
        "bits",
        "cards",
        "diagrams",
        "differences",
        "entries",
        "filters",
        "headline",
        "look",
        "pickers",
        "portrait",
    )
    loaded = loaded_after(*(f"pages.components.{name}" for name in names))
    assert "streamlit" in loaded
    assert not loaded & {"torch", "torchvision"}


def test_pages_lie_in_subfolders() -> None:
    assert not list((ROOT / "pages").glob("*.py"))


def test_every_module_is_named_for_its_subject() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    for folder in ("aecore", "pages"):
        assert not [path for path in (ROOT / folder).rglob("*") if path.stem in vague]
