"""Which Ray cluster runs are sent to, and whether it may be: whoever reaches an open one can have it run anything."""

from __future__ import annotations

import ipaddress
import os
import socket
from importlib.util import find_spec

from aecore import AecoreError

ENGINES = ("local", "ray")
SHARES = {"cpu": "CPU", "cuda": "GPU"}  # what of a node a run on this device takes one of


class ClusterError(AecoreError):
    """The cluster is not named, not to be trusted or not to be reached; the text says which."""


def chosen(engine: str | None = None) -> str | None:
    """The address of the cluster that `engine` (default: AECORE_ENGINE, or `local`) means; None for this machine.

    Connects to nothing. Raises `ClusterError` where there is no such engine, or the cluster may not be used.
    """
    engine = engine or os.environ.get("AECORE_ENGINE") or "local"
    if engine not in ENGINES:
        raise ClusterError(f"There is no engine {engine!r}: AECORE_ENGINE is one of {', '.join(ENGINES)}.")
    if engine == "local":
        return None
    if find_spec("ray") is None:
        raise ClusterError("Ray is not installed: `python -m pip install -r requirements-ray.txt` gets it.")
    address = os.environ.get("RAY_ADDRESS", "")
    check(address)
    return address


def check(address: str) -> None:
    """Raise `ClusterError` unless `address` is `HOST:PORT` on this machine, or token authentication is on."""
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdecimal():
        raise ClusterError(
            f"RAY_ADDRESS is {address!r}: it must be HOST:PORT of a Ray cluster that this machine is a node of, for "
            "example 127.0.0.1:6379."
        )
    if not is_loopback(address) and os.environ.get("RAY_AUTH_MODE") != "token":
        raise ClusterError(
            f"The Ray cluster at {address} can be reached from other machines: start it, and this, with "
            "RAY_AUTH_MODE=token (`ray get-auth-token --generate` makes a token), or use one at 127.0.0.1."
        )


def is_loopback(address: str) -> bool:
    """Whether nobody but this machine can reach `HOST:PORT`; `ClusterError` if there is no such host."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ClusterError(f"RAY_ADDRESS is {address!r}, but there is no host {host!r}.") from None
    return all(ipaddress.ip_address(str(each[4][0])).is_loopback for each in found)
