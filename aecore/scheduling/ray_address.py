"""Which addresses of a Ray cluster may be used: a cluster that strangers can reach runs any code they send."""

from __future__ import annotations

import ipaddress
import os
import socket

from aecore.scheduling.places import PlaceError

CONNECT_TIMEOUT = 3.0  # seconds for an answer of the cluster's head


def check(address: str) -> None:
    """Raise `PlaceError` unless `address` is `HOST:PORT` on this machine, or token authentication is on."""
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdecimal():
        raise PlaceError(
            f"RAY_ADDRESS is {address!r}: it must be HOST:PORT of a Ray cluster that this machine is a node of, for "
            "example 127.0.0.1:6379."
        )
    if not is_loopback(address) and os.environ.get("RAY_AUTH_MODE") != "token":
        raise PlaceError(
            f"The Ray cluster at {address} can be reached from other machines: start the cluster and this program with "
            "RAY_AUTH_MODE=token (`ray get-auth-token --generate` makes a token), or use one at 127.0.0.1."
        )


def check_answers(address: str) -> None:
    """Raise `PlaceError` unless something accepts a connection there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT).close()
    except OSError:
        raise PlaceError(
            f"No Ray cluster answers at {address}: start one (`ray start --head`), or correct RAY_ADDRESS."
        ) from None


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach `HOST:PORT`; `PlaceError` if there is no such host."""
    host, _, port = address.rpartition(":")
    try:
        resolved = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise PlaceError(f"RAY_ADDRESS is {address!r}, but there is no host {host!r}.") from None
    return all(ipaddress.ip_address(str(socket_address[0])).is_loopback for *_, socket_address in resolved)
