"""Recipes and run specs: how a model is trained, as data, and the key that names a run by its content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, prod
from typing import Any, Literal, cast, get_args

from aecore import AecoreError, did_you_mean
from aecore.data.noise import Noise
from aecore.files.whole import canonical
from aecore.models.architecture import Architecture
from aecore.models.layers import LAYERS

Loss = Literal["mse", "bce", "mae", "rmse", "psnr"]
Initialisation = Literal["keras", "torch", "pca"]
Schedule = Literal["cosine"]
LOSSES: dict[Loss, str] = {
    "mse": "mean squared error",
    "bce": "binary cross-entropy",
    "mae": "mean absolute error",
    "rmse": "root mean squared error of each picture",
    "psnr": "80 dB less the mean PSNR of the pictures",
}
_LEGAL = {"loss": get_args(Loss), "initialisation": get_args(Initialisation), "schedule": get_args(Schedule)}
MOST_EPOCHS = 10_000
HEAVIEST_PENALTY = 1e6
KEY_DIGITS = 12
BFLOAT16_FROM = 40_000_000  # multiplications per picture; below, a training step takes no less time than in float32
NAME_RULE = "use lowercase letters, digits, dots and dashes, at most 61 of them"


def is_name(text: str) -> bool:
    """Whether a run or an architecture may have this name."""
    return re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,60}", text) is not None


class RecipeError(AecoreError):
    """A recipe or run spec is not legal; the message names the setting and its legal values."""


@dataclass(frozen=True)
class Recipe:
    """How to train: Adam on `loss` over `epochs` passes through the first `images` training pictures.

    `noise` is added to the input, with new draws in every epoch; the target stays clean. `images=None` takes all
    pictures. Without a `schedule` the learning rate is constant. `penalties` are weights such as `{"sparsity": 0.001}`
    of penalties that the architecture's layers report; the weighted penalties are added to the loss. With `redraw` the
    seed also decides which pictures are trained on and which are held out for validation. With `average`, a decay such
    as 0.999, the result is the exponential moving average of the weights over the steps. With `flips` each picture is
    mirrored left to right with probability 1/2, drawn anew in every epoch.
    """

    epochs: int = 5
    batch_size: int = 100
    learning_rate: float = 1e-3
    loss: Loss = "mse"
    noise: Noise | None = None
    images: int | None = None
    initialisation: Initialisation = "keras"
    schedule: Schedule | None = None
    penalties: Mapping[str, float] | tuple[tuple[str, float], ...] | None = None
    redraw: bool | None = None
    average: float | None = None
    flips: bool | None = None

    def __post_init__(self) -> None:
        for name, highest in (("epochs", MOST_EPOCHS), ("batch_size", 65_536)):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= highest:
                raise RecipeError(
                    f"{name.replace('_', ' ')} must be a whole number from 1 to {highest:,}, not {value}."
                )
        if not 0 < self.learning_rate <= 10:
            raise RecipeError(f"learning rate must be above 0 and at most 10, not {self.learning_rate:g}.")
        if self.images is not None and self.images < 1:
            raise RecipeError(f"images must be at least 1, not {self.images}; leave it out to train on all.")
        # Recipes with the same effect must be equal, so that they have the same key.
        object.__setattr__(self, "learning_rate", float(self.learning_rate))
        if self.noise is not None and self.noise.level == 0:
            object.__setattr__(self, "noise", None)
        for name, legal in _LEGAL.items():
            value = getattr(self, name)
            if value not in legal and not (name == "schedule" and value is None):
                hint = did_you_mean(str(value), legal)
                raise RecipeError(f"{name} {value!r} is not known: {hint}Legal: {', '.join(legal)}.")
        for name in ("redraw", "flips"):
            object.__setattr__(self, name, _switch(name, getattr(self, name)))
        object.__setattr__(self, "average", _decay(self.average))
        object.__setattr__(self, "penalties", _weights(self.penalty_weights) or None)

    @property
    def penalty_weights(self) -> dict[str, float]:
        """The weight of each penalty, by name."""
        return dict(cast(tuple[tuple[str, float], ...], self.penalties or ()))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_json` makes the recipe again."""
        values = dict(vars(self))
        # Versions that did not have these settings read every recipe without them.
        later = {"penalties": self.penalty_weights, "redraw": self.redraw, "average": self.average, "flips": self.flips}
        values = {name: value for name, value in values.items() if name not in later}
        noise = str(self.noise) if self.noise else None
        return values | {"noise": noise} | {name: value for name, value in later.items() if value}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote."""
        noise = values.get("noise")
        return cls(**(values | {"noise": Noise.parse(noise) if noise else None}))


def _switch(name: str, value: object) -> bool | None:
    """What is on is True; what is off is None, so that it is not hashed."""
    if value not in (None, True, False):
        raise RecipeError(f"{name} must be true or false, not {value!r}.")
    return True if value else None


def _decay(average: float | None) -> float | None:
    """The decay of the average; None without one, and for 0, which forgets all but the last weights."""
    if average is not None and not 0 <= average < 1:
        raise RecipeError(
            f"average must be a decay from 0 to below 1, for example 0.999, not {average:g}; leave it out to take the "
            "last weights."
        )
    return float(average) if average else None


def parse_penalties(text: str) -> dict[str, float]:
    """Read weights such as `sparsity:0.001`, separated by commas; raises `RecipeError`."""
    weights = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition(":")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            raise RecipeError(f"{part!r} is not a penalty: write name:weight, for example sparsity:0.001.") from None
    return weights


def _weights(penalties: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """The weights sorted by name, without zeros, so that recipes with the same effect are equal."""
    known = {layer.penalty for layer in LAYERS.values() if layer.penalty} if penalties else ()
    for name, weight in penalties.items():
        if name not in known:
            raise RecipeError(f"There is no penalty {name!r}. Legal: {', '.join(sorted(known))}.")
        if not (isfinite(weight) and 0 <= weight <= HEAVIEST_PENALTY):
            raise RecipeError(f"The weight of {name} must be from 0 to {HEAVIEST_PENALTY:g}, not {weight:g}.")
    return tuple(sorted((name, float(weight)) for name, weight in penalties.items() if weight))


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's result: architecture, recipe, data (name and fingerprint) and seed.

    `name` is for people and not part of the key; neither is the data set's name.
    """

    architecture: Architecture
    recipe: Recipe
    dataset: str
    fingerprint: str
    seed: int = 0
    name: str = field(default="custom", compare=False)

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise RecipeError(f"{self.name!r} cannot name a run: {NAME_RULE}.")
        if self.recipe.loss == "bce" and not self.architecture.ends_in_unit_interval:
            raise RecipeError(
                "Cross-entropy needs outputs between 0 and 1: let the last layer end in sigmoid, or use the loss mse."
            )
        for name in self.recipe.penalty_weights:
            if name not in self.architecture.penalties:
                raise RecipeError(
                    f"The recipe has a weight for the penalty {name}, which no layer reports: put `{name}` after the "
                    f"layer "
                    "whose output it should penalise, or leave the penalty out."
                )
        pairs = self.architecture.linear_pairs or self.architecture.patch_pairs
        if self.recipe.initialisation == "pca" and not pairs:
            channels, numbers = self.architecture.input_shape[0], prod(self.architecture.input_shape)
            raise RecipeError(
                "Only two adjacent linear dense layers around the code can start as PCA, for example "
                f"`flatten | dense64:linear | dense{numbers}:linear`, or convolutions of patches and their transposes "
                f"with nothing but residual blocks beside them, for example `conv{channels}:k4:s4:linear | "
                f"deconv{channels}:k4:s4:linear`; set the initialisation to keras or torch."
            )

    @cached_property
    def key(self) -> str:
        """SHA-256 of the spec's canonical JSON, 64 hexadecimal digits."""
        return self._hash_without("name", "dataset")

    @cached_property
    def group(self) -> str:
        """SHA-256 of all but the seed: equal for runs that differ in nothing else."""
        return self._hash_without("name", "dataset", "seed")

    def _hash_without(self, *names: str) -> str:
        content = {name: value for name, value in self.to_json().items() if name not in names}
        # Settings that are None are not hashed, so that a setting added later changes no older key.
        content["recipe"] = {name: value for name, value in content["recipe"].items() if value is not None}
        return hashlib.sha256(canonical(content)).hexdigest()

    @property
    def suits_bfloat16(self) -> bool:
        """Whether it trains in less time where a device multiplies bfloat16 faster: if the model is large.

        Never with cross-entropy, because a sigmoid that is rounded to 1 has no gradient.
        """
        return self.architecture.macs >= BFLOAT16_FROM and self.recipe.loss != "bce"

    @property
    def folder(self) -> str:
        """The name of the run's folder in the store."""
        return f"{self.name}-{self.key[:KEY_DIGITS]}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_json` makes the spec again."""
        return {
            "name": self.name,
            "architecture": str(self.architecture),
            "recipe": self.recipe.to_json(),
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunSpec:
        """The spec that `to_json` wrote."""
        return cls(
            Architecture.parse(values["architecture"]),
            Recipe.from_json(values["recipe"]),
            values["dataset"],
            values["fingerprint"],
            values["seed"],
            values["name"],
        )
