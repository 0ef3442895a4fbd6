"""Recipes and run specs: what decides a result has one text and one name, and nothing else has a say in it."""

import json
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore.data.noise import KINDS, Noise
from aecore.models.architecture import Architecture
from aecore.models.recipe import Initialisation, Loss, Recipe, RecipeError, RunSpec, Schedule, parse_penalties
from aecore.models.zoo import SYSTEMS

# Published runs and people's own are found by their keys: this one must never change.
GOLDEN_SPEC = RunSpec(
    Architecture.parse("conv32 | conv32:s2 | conv32 | up | conv32 | conv3:k1:sigmoid"),
    Recipe(epochs=2),
    "cifar10",
    "0" * 64,
    seed=0,
    name="shallow-strided",
)
GOLDEN_KEY = "8b832a151182b2af011a5faf5cbf3211db1ccdd90010900297fc9e9306d462d0"

noises = st.builds(Noise, st.sampled_from(list(KINDS)), st.integers(0, 100).map(lambda percent: percent / 100))
recipes = st.builds(
    Recipe,
    epochs=st.integers(1, 10_000),
    batch_size=st.integers(1, 65_536),
    learning_rate=st.floats(0, 10, exclude_min=True),
    loss=st.sampled_from(get_args(Loss)),
    noise=st.none() | noises,
    images=st.none() | st.integers(1, 10**7),
    initialisation=st.sampled_from(get_args(Initialisation)),
    schedule=st.none() | st.sampled_from(get_args(Schedule)),
    redraw=st.none() | st.booleans(),
    average=st.none() | st.floats(0, 1, exclude_max=True),
    flips=st.none() | st.booleans(),
)
# Any of these recipes suits one of these architectures: it ends in a sigmoid, and PCA has its place.
LINEAR = Architecture.parse("flatten | dense9:linear | dense3072:linear | reshape3x32x32 | conv3:sigmoid")
fitting = [LINEAR, *(system.architecture for system in SYSTEMS.values() if system.architecture.ends_in_unit_interval)]
specs = recipes.flatmap(
    lambda recipe: st.builds(
        RunSpec,
        st.just(LINEAR) if recipe.initialisation == "pca" else st.sampled_from(fitting),
        st.just(recipe),
        st.sampled_from(["cifar10", "mnist", "folder:/some where/ünïcode"]),
        st.text("0123456789abcdef", min_size=64, max_size=64),
        st.integers(0, 2**63),
        st.from_regex(r"[a-z0-9][a-z0-9.-]{0,60}", fullmatch=True),
    )
)


@given(recipes)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@given(specs)
def test_a_spec_survives_json_with_its_key_and_name(spec: RunSpec) -> None:
    read = RunSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert read == spec
    assert (read.key, read.name, read.folder) == (spec.key, spec.name, spec.folder)


def test_the_golden_key_holds() -> None:
    assert GOLDEN_SPEC.key == GOLDEN_KEY
    assert GOLDEN_SPEC.folder == "shallow-strided-8b832a151182"
    system = SYSTEMS["shallow-strided"]
    assert replace(GOLDEN_SPEC, architecture=system.architecture, recipe=system.recipe).key == GOLDEN_KEY


RECIPE_CHANGES: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 101,
    "learning_rate": 1.0000001e-3,
    "loss": "mae",
    "noise": Noise("gaussian", 0.1),
    "images": 40_000,
    "initialisation": "torch",
    "schedule": "cosine",
    "redraw": True,
    "average": 0.999,
    "flips": True,
}


def test_every_part_of_the_content_changes_the_key() -> None:
    assert {*RECIPE_CHANGES, "penalties"} == {setting.name for setting in fields(Recipe)}
    changed = [
        replace(GOLDEN_SPEC, recipe=replace(GOLDEN_SPEC.recipe, **{name: value}))
        for name, value in RECIPE_CHANGES.items()
    ]
    changed += [
        replace(GOLDEN_SPEC, recipe=replace(GOLDEN_SPEC.recipe, noise=noise))
        for noise in (Noise("gaussian", 0.2), Noise("uniform", 0.1), Noise("gaussian", 0.1000001))
    ]
    changed += [
        replace(GOLDEN_SPEC, architecture=Architecture.parse("conv32 | conv3:k1:sigmoid")),
        replace(GOLDEN_SPEC, fingerprint="1" + "0" * 63),
        replace(GOLDEN_SPEC, seed=1),
    ]
    sparse = replace(GOLDEN_SPEC, architecture=Architecture.parse("conv32 | sparsity | conv3:k1:sigmoid"))
    changed += [
        replace(sparse, recipe=replace(sparse.recipe, penalties=penalties))
        for penalties in (None, {"sparsity": 1e-3}, {"sparsity": 2e-3})
    ]
    keys = {GOLDEN_KEY, *(spec.key for spec in changed)}
    assert len(keys) == len(changed) + 1


def test_older_versions_read_a_recipe_that_has_none_of_the_later_settings() -> None:
    plain, rich = Recipe(redraw=False, average=0, flips=False), Recipe(redraw=True, average=0.999, flips=True)
    assert plain == Recipe()
    assert not plain.to_json().keys() & {"penalties", "redraw", "average", "flips"}
    assert rich.to_json()["redraw"] is rich.to_json()["flips"] is True
    assert rich.to_json()["average"] == 0.999


def test_the_name_and_the_spelling_do_not_change_the_key() -> None:
    assert replace(GOLDEN_SPEC, name="mine").key == GOLDEN_KEY
    spelt = "3x32x32|conv32:k3|conv32:s2:relu|conv32|up2:nearest|conv32|conv3:sigmoid:k1"
    assert replace(GOLDEN_SPEC, architecture=Architecture.parse(spelt)).key == GOLDEN_KEY
    one, same = (replace(GOLDEN_SPEC, recipe=replace(GOLDEN_SPEC.recipe, learning_rate=rate)) for rate in (1, 1.0))
    assert one == same
    assert one.key == same.key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1 to 10,000, not 0"),
        ({"epochs": 10_001}, "from 1 to 10,000"),
        ({"batch_size": 0}, "batch size must be a whole number from 1 to 65,536, not 0"),
        ({"learning_rate": 0.0}, "above 0 and at most 10"),
        ({"learning_rate": float("nan")}, "above 0 and at most 10, not nan"),
        ({"learning_rate": float("inf")}, "above 0 and at most 10, not inf"),
        ({"images": 0}, "at least 1, not 0; leave it out"),
        ({"loss": "msa"}, "did you mean mse"),
        ({"loss": "huber"}, "Legal: mse, bce, mae, rmse, psnr"),
        ({"initialisation": "kaiming"}, "Legal: keras, torch, pca"),
        ({"schedule": "cosin"}, "did you mean cosine"),
        ({"redraw": "yes"}, "redraw must be true or false, not 'yes'"),
        ({"flips": "sometimes"}, "flips must be true or false"),
        ({"average": 1.0}, "a decay from 0 to below 1, for example 0.999, not 1; leave it out"),
        ({"average": -0.1}, "a decay from 0 to below 1"),
        ({"average": float("nan")}, "a decay from 0 to below 1"),
    ],
)
def test_a_bad_recipe_is_told_what_is_legal(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["", "Mine", "a b", "../up", "-a", "a" * 62, "ä", "a\n"])
def test_a_run_has_a_name_that_can_be_a_folder(name: str) -> None:
    with pytest.raises(RecipeError, match="lowercase letters, digits, dots and dashes"):
        replace(GOLDEN_SPEC, name=name)


def test_cross_entropy_is_refused_without_a_sigmoid() -> None:
    bce = Recipe(loss="bce")
    assert replace(GOLDEN_SPEC, recipe=bce).recipe.loss == "bce"
    with pytest.raises(RecipeError, match="let the last layer end in sigmoid, or use the loss mse"):
        replace(GOLDEN_SPEC, recipe=bce, architecture=Architecture.parse("conv32 | conv3:k1:linear"))


def test_what_has_no_place_for_pca_is_told() -> None:
    with pytest.raises(RecipeError, match=r"start as PCA, for example `flatten \| dense64:linear \| dense3072:linear`"):
        replace(GOLDEN_SPEC, recipe=Recipe(initialisation="pca"))
    for line in (
        "flatten | dense9:linear | dense3072 | reshape3x32x32",
        "flatten | dense3073:linear | dense3072:linear | reshape3x32x32",
        "flatten | skip | dense9:linear | dense3072:linear | add | reshape3x32x32",
    ):
        assert not Architecture.parse(line).linear_pairs
    assert [first.output_shape for first, _ in LINEAR.linear_pairs] == [(9,)]


BLOCK = "skip | conv9 | conv48:linear | add"


@pytest.mark.parametrize(
    "line",
    [
        "conv48:k4:s4 | deconv3:k4:s4:linear",  # not linear
        "conv49:k4:s4:linear | deconv3:k4:s4:linear",  # more numbers than the patch
        "conv48:k5:s4:linear | deconv3:k4:s4:linear",  # patches that overlap
        "conv48:k4:s4:linear | deconv3:k5:s4:linear",
        "conv48:k4:s4:linear | conv48:linear | deconv3:k4:s4:linear",  # another layer between
        "conv48:k4:s4:linear | skip | conv48 | add | deconv3:k4:s4:linear",  # a block that is not zero at first
        "conv48:k4:s4:linear | skip | conv9 | concat | deconv3:k4:s4:linear",
        "conv48:k4:s4:linear | up4 | conv3:linear",
        "conv48:k4:s4:linear | conv9:k2:s2:linear | deconv40:k2:s2:linear | deconv3:k4:s4:linear",  # 40 of 48 maps
        "conv48:k4:s4:linear | conv9:k2:s2:linear | deconv3:k8:s8:linear",  # back in one step
        "conv9:k4:s4:linear | flatten | dense8 | dense576:linear | reshape9x8x8 | deconv3:k4:s4:linear",
        "conv9:k4:s4:linear | flatten | dense577:linear | dense576:linear | reshape9x8x8 | deconv3:k4:s4:linear",
        "conv9:k4:s4:linear | flatten | dense8:linear | dense640:linear | reshape10x8x8 | deconv3:k4:s4:linear",
        "conv9:k4:s4:linear | flatten | dense8:linear | dense576:linear | reshape36x4x4 | deconv3:k8:s8:linear",
        "conv9:k4:s4:linear | flatten | dense8:linear | skip | dense8:linear | add | dense576:linear | reshape9x8x8 "
        "| deconv3:k4:s4:linear",  # a block between the two dense layers
        "conv3:k1:linear",
    ],
)
def test_what_cannot_start_as_the_pca_of_patches(line: str) -> None:
    assert not Architecture.parse(line).patch_pairs
    with pytest.raises(RecipeError, match=r"`conv3:k4:s4:linear \| deconv3:k4:s4:linear`"):
        replace(GOLDEN_SPEC, architecture=Architecture.parse(line), recipe=Recipe(initialisation="pca"))


@pytest.mark.parametrize(
    ("line", "positions"),
    [
        ("conv3:k4:s4:linear | deconv3:k4:s4:linear", [(1, 2)]),
        (
            f"{BLOCK.replace('48', '3')} | conv48:k4:s4:linear | {BLOCK} | conv9:k2:s2:linear | entropy "
            f"| deconv48:k2:s2:linear | {BLOCK} | deconv3:k4:s4:linear",
            [(5, 17), (10, 12)],
        ),
        (
            f"conv48:k4:s4:linear | {BLOCK} | flatten | dense9:linear | dense3072:linear | reshape48x8x8 | {BLOCK} "
            "| deconv3:k4:s4:linear",
            [(1, 14), (7, 8)],
        ),
    ],
)
def test_what_can_start_as_the_pca_of_patches(line: str, positions: list[tuple[int, int]]) -> None:
    pairs = Architecture.parse(line).patch_pairs
    assert [(first.position, last.position) for first, last in pairs] == positions
    assert replace(GOLDEN_SPEC, architecture=Architecture.parse(line), recipe=Recipe(initialisation="pca"))


def test_a_text_is_read_as_the_weights_of_penalties() -> None:
    assert parse_penalties("sparsity:0.001") == {"sparsity": 0.001}
    assert Recipe(penalties=parse_penalties("sparsity:0")).penalties is None
    for text in ("sparsity", "sparsity:much"):
        with pytest.raises(RecipeError, match=r"write name:weight, for example sparsity:0\.001"):
            parse_penalties(text)


@pytest.mark.parametrize(
    ("penalties", "message"),
    [
        ({"sparsty": 1}, "There is no penalty 'sparsty'. Legal: bits, sparsity"),
        ({"sparsity": -1}, "weight of sparsity must be from 0 to"),
        ({"sparsity": float("nan")}, "weight of sparsity must be from 0 to"),
    ],
)
def test_a_weight_of_a_penalty_that_cannot_be_is_refused(penalties: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe(penalties=penalties)


def test_a_penalty_that_no_layer_reports_is_refused() -> None:
    with pytest.raises(RecipeError, match="no layer reports: put `sparsity` after the layer"):
        RunSpec(Architecture.parse("3x8x8 | conv3:k1:sigmoid"), Recipe(penalties={"sparsity": 1}), "little", "0" * 64)
