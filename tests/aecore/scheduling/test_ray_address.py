"""Which addresses of a Ray cluster are refused."""

import pytest

from aecore.scheduling import ray_address
from aecore.scheduling.places import Place, PlaceError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AECORE_ENGINE", "RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("address", ["", "auto", "ray://127.0.0.1:10001", "127.0.0.1", ":6379", "127.0.0.1:port"])
def test_what_is_no_address_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(PlaceError, match="it must be HOST:PORT of a Ray cluster that this machine is a node of"):
        Place.chosen("ray")


def test_a_host_that_is_not_known_is_told() -> None:
    with pytest.raises(PlaceError, match=r"there is no host 'nowhere\.invalid'"):
        ray_address.check("nowhere.invalid:6379")


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "127.8.9.10:6379", "localhost:6379", "[::1]:6379"])
def test_a_cluster_of_this_machine_needs_no_token(address: str) -> None:
    ray_address.check(address)


@pytest.mark.parametrize("address", ["10.0.0.5:6379", "0.0.0.0:6379", "[2001:db8::1]:6379"])
def test_one_that_others_reach_needs_a_token(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(PlaceError, match="can be reached from other machines: start the cluster and this program with"):
        ray_address.check(address)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    ray_address.check(address)
