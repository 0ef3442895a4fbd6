"""The settings of a recipe, as the Train page asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from aecore.data.noise import BY_TITLE, KINDS, Kind, Noise, NoiseError
from aecore.models.recipe import HEAVIEST_PENALTY, LOSSES, Loss
from aecore.models.zoo import Start
from pages.components.links import Page

Settings = dict[str, Any]  # of a `Recipe`, by its names
Given = Mapping[str, Any]  # what the controls hold at first, by the names of their keys

_NO_NOISE = "None"
_EVENLY, _LOG = "evenly", "on a log scale"  # how the levels of a range are drawn
_LOSSES: dict[str, Loss] = {"MSE": "mse", "Cross-entropy": "bce", "MAE": "mae", "RMSE": "rmse", "PSNR": "psnr"}
# What a recipe may say, by the title of the choice.
_CHOICES: dict[str, Mapping[str, str | None]] = {
    "loss": _LOSSES,
    "schedule": {"Constant": None, "Cosine": "cosine"},
    "weights": {"keras": "keras", "torch": "torch", "PCA": "pca"},
}
_MEANINGS = {
    "loss": "What training minimises: " + ", ".join(f"{title} ({LOSSES[loss]})" for title, loss in _LOSSES.items()),
    "schedule": "A constant rate; or a warm-up over the first twentieth of the steps, then a cosine decay to zero.",
    "weights": "Glorot-uniform with zero biases, as in Keras; torch's own; or, for two linear dense layers around the "
    "code, the principal components of the training pictures.",
}


def ask(page: Page, system: Start) -> tuple[Settings, str]:
    """The controls, which begin with the system's own recipe: every setting of one, and the seeds as they are typed."""
    given = _given(system)
    length, seeds = _length(page, given)
    added = _noise(page, given)
    settings = length | _penalties(page, system, given) | _details(page, given)
    # Refused after every control is drawn: Streamlit forgets what one holds that is not.
    return settings | {"noise": _checked(added)}, seeds


def take_over(page: Page, system: Start) -> None:
    """Put the system's recipe in place of what the controls hold; call it before they are drawn."""
    for name, value in _given(system).items():
        if name != "strength" or value:
            st.session_state[page.key(name)] = value


def _given(system: Start) -> Given:
    recipe, noise = system.recipe, system.recipe.noise
    return {
        "epochs": recipe.epochs,
        "images": recipe.images,
        "added": KINDS[noise.kind].title if noise else _NO_NOISE,
        "strength": noise.level if noise else 0.0,
        "below": noise is not None and noise.low is not None,
        "lowest": (noise.low if noise else None) or 0.0,
        "drawn": _LOG if noise and noise.logarithmic else _EVENLY,
        "batch": recipe.batch_size,
        "rate": recipe.learning_rate,
        "loss": _title("loss", recipe.loss),
        "schedule": _title("schedule", recipe.schedule),
        "weights": _title("weights", recipe.initialisation),
        "redraw": bool(recipe.redraw),
        "average": recipe.average,
        "flips": bool(recipe.flips),
        **{_weight(name): recipe.penalty_weights.get(name, 0.0) for name in system.architecture.penalties},
    }


def _title(name: str, value: str | None) -> str:
    return next(title for title, meant in _CHOICES[name].items() if meant == value)


def _weight(penalty: str) -> str:
    return f"weight-{penalty}"


def _length(page: Page, given: Given) -> tuple[Settings, str]:
    """How long to train, on how many pictures, and from which seeds."""
    left, middle, right = st.columns(3)
    epochs = left.number_input(
        "Epochs",
        1,
        10_000,
        int(given["epochs"]),
        key=page.key("epochs"),
        bind="query-params",
        help="How often every training picture is shown.",
    )
    images = middle.number_input(
        "Pictures",
        0,
        10_000_000,
        given["images"],
        1000,
        key=page.key("images"),
        bind="query-params",
        placeholder="all",
        help="How many training pictures are used, from the first on. Empty or 0: all of them.",
    )
    seeds = right.text_input(
        "Seeds",
        "0",
        key=page.key("seeds"),
        bind="query-params",
        help="One run per seed, which decides initial weights, order and noise: 0, or 0-4 for five.",
    )
    return {"epochs": int(epochs), "images": int(images or 0) or None}, seeds


def _noise(page: Page, given: Given) -> Settings:
    """What is added to the pictures that the model is shown: the parts of a `Noise`, or nothing."""
    left, right = st.columns(2)
    kinds = [_NO_NOISE, *BY_TITLE]
    kind = left.selectbox(
        "Noise",
        kinds,
        kinds.index(str(given["added"])),
        key=page.key("added"),
        bind="query-params",
        help="Added to the model's input and drawn anew in each epoch; the target is the clean picture.",
    )
    if kind == _NO_NOISE:
        return {}
    kind_name = BY_TITLE[kind]
    rule = KINDS[kind_name]
    strength = page.key("strength")
    if not rule.lowest <= st.session_state.get(strength, rule.lowest) <= rule.highest:
        st.session_state[strength] = rule.highest
    level = right.slider(
        rule.unit.capitalize(),
        rule.lowest,
        rule.highest,
        min(float(given["strength"] or 0.3), rule.highest),
        0.01,
        key=strength,
        bind="query-params",
    )
    with right:
        every = _switch(
            page,
            "below",
            "Range of levels",
            given,
            "Each picture gets a random level of its own, at most this one. The model is not given it.",
        )
    is_range = every and level > rule.lowest
    return {"kind": kind_name, "level": level} | (_range(page, given, rule) if is_range else {})


def _range(page: Page, given: Given, rule: Kind) -> Settings:
    """Where a range of levels begins, and how they are drawn from it."""
    left, right = st.columns([2, 3])
    lowest = page.key("lowest")
    if not rule.lowest <= st.session_state.get(lowest, rule.lowest) <= rule.highest:
        st.session_state[lowest] = rule.lowest
    low = left.number_input(
        "Lowest level",
        rule.lowest,
        rule.highest,
        max(float(given["lowest"]), rule.lowest),
        0.01,
        format="%g",
        key=lowest,
        bind="query-params",
        help="Where the range of random levels begins.",
    )
    drawn = right.segmented_control(
        "Levels drawn",
        [_EVENLY, _LOG],
        default=given["drawn"],
        key=page.key("drawn"),
        bind="query-params",
        required=True,
        help="Evenly: every level of the range is as likely as any other. On a log scale: 0.01 to 0.1 is as likely as "
        "0.1 to 1, so weak noise is seen as often as strong noise.",
    )
    return {"low": float(low), "logarithmic": drawn == _LOG}


def _checked(added: Settings) -> Noise | None:
    """The noise, if there can be one with these levels."""
    low = added.get("low")
    if low is not None and low >= added["level"]:
        raise NoiseError(f"The lowest level of noise, {low:g}, must be below the highest, {added['level']:g}.")
    if added.get("logarithmic") and not low:
        raise NoiseError("On a log scale the lowest level of noise must be above 0: raise it, or draw levels evenly.")
    return Noise(**added) if added else None


def _penalties(page: Page, system: Start, given: Given) -> Settings:
    """How much each penalty weighs that the system's layers report."""
    weights = {
        name: st.number_input(
            f"Weight of {name}",
            0.0,
            HEAVIEST_PENALTY,
            float(given[_weight(name)]),
            1e-4,
            format="%g",
            key=page.key(_weight(name)),
            bind="query-params",
            help=f"A layer measures {name} while the model trains. Its mean times this weight is added to the loss; "
            "0 leaves it out.",
        )
        for name in system.architecture.penalties
    }
    return {"penalties": weights}


def _details(page: Page, given: Given) -> Settings:
    with st.expander("Batch size, learning rate, loss, initial weights", icon=":material/tune:"):
        left, right = st.columns(2)
        batch = left.number_input(
            "Batch size",
            1,
            65_536,
            int(given["batch"]),
            10,
            key=page.key("batch"),
            bind="query-params",
            help="Pictures per step of the optimiser.",
        )
        rate = right.number_input(
            "Learning rate",
            0.0,
            10.0,
            float(given["rate"]),
            1e-4,
            format="%.5f",
            key=page.key("rate"),
            bind="query-params",
            help="The step size of Adam.",
        )
        with left:
            loss = _choice(page, "loss", "Loss", given)
        with right:
            schedule = _choice(page, "schedule", "Schedule", given)
        with left:
            weights = _choice(page, "weights", "Initial weights", given)
        average = right.number_input(
            "Average of weights",
            0.0,
            1.0,
            given["average"],
            0.001,
            format="%g",
            key=page.key("average"),
            bind="query-params",
            placeholder="off",
            help="The decay of an exponential moving average of the weights over the steps, which becomes the result: "
            "0.999 averages over about the last 1,000 steps. Empty or 0: the weights of the last step.",
        )
        redraw = _switch(
            page,
            "redraw",
            "Other training pictures for each seed",
            given,
            "Each seed also draws which pictures are trained on and which are held out for validation. "
            "Otherwise all runs learn from the same pictures.",
        )
        flips = _switch(
            page,
            "flips",
            "Mirror pictures at random",
            given,
            "In each epoch about half of the training pictures, drawn anew, are mirrored left to right.",
        )
    return {
        "batch_size": int(batch),
        "learning_rate": float(rate),
        "loss": loss,
        "schedule": schedule,
        "initialisation": weights,
        "redraw": redraw,
        "average": average,
        "flips": flips,
    }


def _switch(page: Page, name: str, label: str, given: Given, meaning: str) -> bool:
    return st.checkbox(label, bool(given[name]), key=page.key(name), bind="query-params", help=meaning)


def _choice(page: Page, name: str, label: str, given: Given) -> str | None:
    choices = _CHOICES[name]
    titles = list(choices)
    place = titles.index(str(given[name]))
    title = st.selectbox(label, titles, place, key=page.key(name), bind="query-params", help=_MEANINGS[name])
    return choices[title]
