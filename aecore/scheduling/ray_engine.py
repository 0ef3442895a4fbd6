"""The registered engine `ray`; `ray_tasks` does the work once it is connected."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from aecore.scheduling import ray_address
from aecore.scheduling.places import PlaceError

if TYPE_CHECKING:
    from aecore.scheduling.ray_tasks import Cluster

DEVICES = ("cpu", "cuda")


class RayEngine:
    """One CPU or one GPU of any node of the Ray cluster at RAY_ADDRESS, of which this machine must be a node."""

    title = "Ray cluster"

    def address(self) -> str:
        """RAY_ADDRESS, checked."""
        if find_spec("ray") is None:
            raise PlaceError("Ray is not installed: `python -m pip install -r requirements-ray.txt` gets it.")
        address = os.environ.get("RAY_ADDRESS", "")
        ray_address.check(address)
        return address

    def devices(self) -> list[str]:
        """`cpu` and `cuda`, whatever the nodes have at the moment."""
        return list(DEVICES)

    def device(self, name: str | None) -> str:
        """`cpu`, which is the default, or `cuda`."""
        if name not in (None, *DEVICES):
            raise PlaceError(f"There is no device {name!r} on a cluster: ask for one of {', '.join(DEVICES)}.")
        return name or DEVICES[0]

    def connect(self, address: str | None) -> Cluster:
        """The cluster at `address`, which must answer and refuse strangers."""
        address = address or ""
        ray_address.check(address)
        ray_address.check_answers(address)
        if ray_address.is_loopback(address):
            # Ray reads this when it is imported. Without it, Ray replaces 127.0.0.1 by the address that other machines
            # would use, where nobody listens.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Ray need not be installed, and it takes seconds to import, as torch does.
        from aecore.scheduling.ray_tasks import Cluster

        return Cluster(address)
