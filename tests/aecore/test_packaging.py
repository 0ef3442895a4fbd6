"""Packaging is true: what is imported is declared, what is declared is pinned, and the wheel runs on its own."""

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aecore.data.catalog import SHIPPED
from aecore.models import zoo

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OPTIONAL = ("bm3d", "ray", "heic", "umap")  # the extras of the core, each with a requirements file of its own
OWN = {"aecore", "pages", "tests", "benchmarks", "docs"}


def names(requirements: Iterable[str]) -> set[str]:
    """Distributions, by their canonical names."""
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def pins(file: str) -> dict[str, str]:
    """The version of each distribution that a requirements file pins, with those of the files that it includes."""
    versions = dict[str, str]()
    for line in (ROOT / file).read_text().splitlines():
        if line.startswith("-r "):
            versions |= pins(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            name, version = line.split("==")
            versions[canonicalize_name(name)] = version
    return versions


def imported(folder: str) -> set[str]:
    """The distributions that the modules under a folder import, inside functions too."""
    modules = set[str]()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module or "")
    packages = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - OWN
    known = packages_distributions()
    # A package that is not installed, such as an optional one, is taken to have its distribution's name.
    return {canonicalize_name(known.get(name, [name])[0]) for name in packages}


def required(extra: str = "") -> set[str]:
    return names(EXTRAS[extra] if extra else PROJECT["dependencies"])


def test_the_core_imports_what_it_declares() -> None:
    imports = imported("aecore")
    assert {"torch", "pillow", "scikit-image"} <= imports
    assert imports <= required() | set().union(*map(required, OPTIONAL))


def test_the_pages_import_what_the_dashboard_declares() -> None:
    imports = imported("pages")
    assert "streamlit" in imports
    assert imports <= required() | required("dashboard")


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "docs"])
def test_what_is_only_for_developers_is_pinned_for_them(folder: str) -> None:
    # They have an environment of their own: benchmarks/requirements-keras.txt, which names jax for a GPU.
    keras = {"keras", "tensorflow", "jax"}
    assert imported(folder) <= pins("requirements-dev.txt").keys() | keras | {"packaging"}


def test_without_what_is_optional_every_module_is_imported_but_those_that_are_made_of_it() -> None:
    optional = set().union(*map(required, OPTIONAL))
    assert imported("aecore") >= optional
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "aecore").rglob("*.py"))
        if path.stem not in ("__init__", "__main__", "ray_tasks")
    ]
    missing = "".join(f"sys.modules[{name!r}] = None; " for name in sorted(optional))
    code = f"import sys; {missing}import {', '.join(modules)}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("declared", "file"),
    [
        ("", "requirements.txt"),
        ("dashboard", "requirements.txt"),
        *((extra, f"requirements-{extra}.txt") for extra in OPTIONAL),
    ],
)
def test_what_is_declared_is_pinned_to_a_version_that_it_admits(declared: str, file: str) -> None:
    pinned = pins(file)
    for line in EXTRAS[declared] if declared else PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert requirement.specifier, f"{line} has no lower bound"
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


def test_requirements_that_are_optional_are_in_files_of_their_own() -> None:
    assert not pins("requirements.txt").keys() & set().union(*map(required, OPTIONAL))


# ---- what the pins bring in


def test_constraints_are_names_and_versions_and_agree_with_the_requirements() -> None:
    constrained = pins("constraints.txt")  # has no line of any other kind
    for name, version in pins("requirements-dev.txt").items():
        assert constrained[name] == version, f"{name}: `make constraints` after a change of requirements"


def test_everything_that_the_requirements_bring_in_is_constrained() -> None:
    waiting = [Requirement(name) for name in pins("requirements-dev.txt")]
    reached = set[str]()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in reached:
            continue
        reached.add(str(requirement))
        for line in distribution(requirement.name).requires or ():
            needed = Requirement(line)
            if not needed.marker or any(
                needed.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
            ):
                waiting.append(needed)
    assert names(reached) > pins("requirements-dev.txt").keys()
    assert names(reached) <= pins("constraints.txt").keys()


# ---- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the core, built from a copy since building leaves files beside the source."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    copytree(ROOT / "aecore", source / "aecore", ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(built), str(source)], check=True)
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_of_the_core_the_excerpts_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert files == {str(path.relative_to(ROOT)) for path in [*(ROOT / "aecore").rglob("*.py"), *SHIPPED.iterdir()]}


def test_what_is_installed_runs_in_any_folder(wheel: Path, tmp_path: Path) -> None:
    site, current = tmp_path / "site-packages", tmp_path / "here"
    current.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AECORE_")}
    done = subprocess.run(
        [sys.executable, "-m", "aecore", "list"],
        cwd=current,
        env=environment | {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(name in done.stdout for name in zoo.SYSTEMS)
    assert not list(current.iterdir())
