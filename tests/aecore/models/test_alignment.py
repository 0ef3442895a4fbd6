"""Architectures side by side: every layer stands once, and only what differs is marked."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from aecore.models.alignment import aligned, differences
from aecore.models.architecture import Architecture
from aecore.models.zoo import SYSTEMS
from tests.aecore.models.drawn import autoencoders


@given(left=autoencoders(), right=autoencoders())
def test_every_layer_of_both_stands_once_and_in_order(left: Architecture, right: Architecture) -> None:
    pairs = aligned(left, right)
    assert tuple(pair.left for pair in pairs if pair.left) == left.steps
    assert tuple(pair.right for pair in pairs if pair.right) == right.steps
    assert all(pair.left or pair.right for pair in pairs)


@given(architecture=autoencoders())
def test_nothing_differs_from_itself(architecture: Architecture) -> None:
    assert all(pair.same for pair in aligned(architecture, architecture))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("shallow-maxpool", "shallow-strided", [("pool", "conv32:s2")]),
        ("shallow-strided", "shallow-strided-bn", [(None, "bn")] * 3),
        ("shallow-strided-bn", "shallow-maxpool", [("bn", None), ("conv32:s2", "pool"), ("bn", None), ("bn", None)]),
        ("deep-strided-4", "deep-strided-8", [("conv32:s2", None), ("conv32", None), ("up", None), ("conv32", None)]),
    ],
)
def test_only_what_differs_is_marked(left: str, right: str, expected: list[tuple[str | None, str | None]]) -> None:
    pairs = aligned(SYSTEMS[left].architecture, SYSTEMS[right].architecture)
    layers = [
        tuple(str(step.layer) if step else None for step in (pair.left, pair.right)) for pair in pairs if not pair.same
    ]
    assert sorted(layers, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("left", "right", "changes", "expected"),
    [
        ("shallow-maxpool", "shallow-strided", {}, ("pool → conv32:s2",)),
        ("shallow-strided-bn", "shallow-strided", {}, ("− bn", "− bn", "− bn", "epochs 4 → 2")),
        ("dense", "dense", {"learning_rate": 3e-4, "images": 10_000, "loss": "bce"}, None),
        ("dense", "dense", {"flips": True, "average": 0.999}, ("average none → 0.999", "flips off → on")),
        ("dense", "dense", {"penalties": {"sparsity": 1e-3}}, ("penalties none → sparsity:0.001",)),
        ("dense", "dense", {}, ()),
    ],
)
def test_differences_name_layers_and_settings(
    left: str, right: str, changes: dict[str, Any], expected: tuple[str, ...] | None
) -> None:
    one, other = SYSTEMS[left], SYSTEMS[right]
    said = differences((one.architecture, one.recipe), (other.architecture, replace(other.recipe, **changes)))
    assert said == (
        expected if expected is not None else ("learning_rate 0.001 → 0.0003", "loss mse → bce", "images none → 10000")
    )
