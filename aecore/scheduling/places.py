"""Where a run is trained: an engine, the address at which it is reached, and a device there."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from types import ModuleType
from typing import Any, Protocol

from aecore import AecoreError
from aecore.training import machine

LOCAL = "local"
# Each name's class, an `Engine`. The classes are imported when they are needed: their modules import this one.
ENGINES = {
    LOCAL: "aecore.scheduling.engines:LocalEngine",
    "ray": "aecore.scheduling.ray_engine:RayEngine",
}


class PlaceError(AecoreError):
    """There is no such place, or it cannot be trusted or reached; the text says which."""


class Engine(Protocol):
    """A way to train runs. Importing its module must be fast and need nothing that only training needs."""

    title: str  # what an address of it names, for example "Ray cluster"

    def address(self) -> str | None:
        """The address that the environment names, or None for an engine without addresses.

        Connects to nothing. Raises `PlaceError` where the engine is not installed or the address may not be used.
        """

    def devices(self) -> list[str]:
        """The devices that a run can ask for."""

    def device(self, name: str | None) -> str:
        """The full name of a device, or of the default one; raises an `AecoreError` if there is no such device."""

    def connect(self, address: str | None) -> Any:
        """The `engines.Workers` at `address`; `PlaceError` where they cannot be used now.

        The supervisor connects each engine to one address at a time.
        """


def find_engine(name: str) -> Engine:
    """The engine registered as `name`; `PlaceError` if there is none."""
    if name not in ENGINES:
        raise PlaceError(f"There is no engine {name!r}: AECORE_ENGINE is one of {', '.join(ENGINES)}.")
    engine: Engine = resolve_name(ENGINES[name])()
    return engine


@dataclass(frozen=True)
class Place:
    """A device that an engine offers at an address. This machine has no address."""

    engine: str
    address: str | None
    device: str

    @classmethod
    def here(cls, device: str | None = None) -> Place:
        """A device of this machine (None: the fastest); `TrainingError` if there is no such device."""
        return cls(LOCAL, None, device_name(device))

    @classmethod
    def chosen(cls, engine: str | None = None, device: str | None = None) -> Place:
        """The place that `engine` (None: AECORE_ENGINE, or else this machine) and `device` (None: the default) mean.

        Connects to nothing. Raises `PlaceError` where there is no such engine or its address may not be used.
        """
        name, registered = _engine(engine)
        return cls(name, registered.address(), registered.device(device))

    @classmethod
    def choices(cls, engine: str | None = None) -> list[Place]:
        """Every place that `engine` offers; otherwise as `chosen`."""
        name, registered = _engine(engine)
        address = registered.address()
        return [cls(name, address, device) for device in registered.devices()]

    def checked(self) -> Place:
        """The same with the full name of its device; raises an `AecoreError` if there is no such device."""
        return replace(self, device=find_engine(self.engine).device(self.device))

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        return self.engine == LOCAL

    @property
    def text(self) -> str:
        """In words: `cpu`, or `CPU of the Ray cluster at 127.0.0.1:6379`."""
        if self.is_here:
            return self.device
        title = find_engine(self.engine).title if self.engine in ENGINES else f"engine {self.engine}"
        device = {"cpu": "CPU", "cuda": "GPU"}.get(self.device, self.device)
        return f"{device} of the {title}" + (f" at {self.address}" if self.address else "")


def _engine(name: str | None) -> tuple[str, Engine]:
    name = name or os.environ.get("AECORE_ENGINE") or LOCAL
    return name, find_engine(name)


# ---- the devices of this machine


def device_names() -> list[str]:
    """The devices of this machine, the fastest first."""
    return list(_devices().devices())


def device_name(name: str | None) -> str:
    """The full name of a device of this machine (None: the fastest); `TrainingError` if there is no such device."""
    if name == "cpu":
        return name
    device = _devices().find_device(name)
    return f"cuda:{device.index or 0}" if device.type == "cuda" else str(device)


def accelerator(device: str, runs: int = 1) -> str:
    """The hardware behind a device of this machine, for example `x86_64, 2 cores`. Measured speeds belong to it.

    With more `runs` than the CPU trains with two threads, each has one: `x86_64, 2 cores, one thread per run`.
    """
    if device.startswith("cuda"):
        return str(_devices().accelerator(_devices().find_device(device)))
    single = runs > 1 and machine.run_threads(runs) < machine.run_threads()
    return f"{platform.machine()}, {machine.cores_text()}" + ", one thread per run" * single


def _devices() -> ModuleType:
    # Brings torch, which takes a second to import, and a run on the CPU can be queued without it.
    from aecore.training import devices

    return devices
