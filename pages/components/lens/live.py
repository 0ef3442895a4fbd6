"""What the browser needs to draw the noise and run the models itself, while the slider moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aecore.data.noise import KINDS, picture_seed
from aecore.studies.contestants import Contestant
from pages.app import browser_packages, model_route
from pages.components import look
from pages.components.pickers import GivenNoise

# Where ONNX Runtime is, for the processor and for a graphics card: its module and its machine code.
RUNTIME = {
    provider: {"module": browser_packages.address(module), "wasm": browser_packages.address(binary)}
    for provider, module, binary in (
        ("wasm", browser_packages.WASM, browser_packages.WASM_BINARY),
        ("webgpu", browser_packages.WEBGPU, browser_packages.WEBGPU_BINARY),
    )
}


def described(given: GivenNoise, chosen: Sequence[Contestant], indices: Sequence[int]) -> dict[str, Any]:
    """The noise of the pictures `indices`, where the slider is, and where to fetch what; or why nothing is live."""
    if missing := browser_packages.missing("Live noise"):
        return {"missing": missing, "level": given.level}
    addresses = {one.key: model_route.address(one.run) for one in chosen if one.run}
    large = [one.label for one in chosen if addresses.get(one.key, "") is None]
    verb = "is" if len(large) == 1 else "are"
    return {
        "note": f"{look.listed(large)} {verb} too large to run in the browser." if large else "",
        "slider": f".st-key-{given.slider}",
        **noise_of(given, indices),
        "models": {key: address for key, address in addresses.items() if address},
        "runtime": RUNTIME,
    }


def noise_of(given: GivenNoise, indices: Sequence[int]) -> dict[str, Any]:
    """What the browser needs to draw the noise of the pictures `indices` as the server does."""
    return {
        "kind": given.kind,
        "level": given.level,
        "lowest": KINDS[given.kind].lowest,
        "seeds": [picture_seed(given.seed, picture) for picture in indices],
    }
