"""An engine that the program does not know: it trains in the supervisor's own process, one run at a time."""

from collections.abc import Sequence

from aecore.scheduling.attempts import Attempt
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.entries import Entry
from aecore.scheduling.places import PlaceError

REGISTERED = f"{__name__}:MadeUpEngine"
ADDRESSES = ("here:1", "there:2")


class MadeUpEngine:
    title = "workshop"

    def address(self) -> str:
        return ADDRESSES[0]

    def devices(self) -> list[str]:
        return ["cpu", "lathe"]

    def device(self, name: str | None) -> str:
        if name not in (None, *self.devices()):
            raise PlaceError(f"There is no device {name!r} in a workshop.")
        return name or "cpu"

    def connect(self, address: str | None) -> "MadeUpWorkers":
        if address not in ADDRESSES:
            raise PlaceError(f"There is no workshop at {address}.")
        return MadeUpWorkers()


class MadeUpWorkers:
    def threads(self, entry: Entry, running: Sequence[Entry], waiting: int) -> int:
        if entry.place.device == "lathe":
            raise PlaceError("The lathe is being repaired.")
        return int(not running)

    def start(self, dispatch: Dispatch, entry: Entry, fence: int) -> "Made":
        with dispatch.queue.open_log(entry) as log:
            Attempt(dispatch.queue, entry.id, fence, log).make()
        return Made(entry)


class Made:
    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def has_ended(self) -> bool:
        return True

    def stop(self) -> None:
        pass

    def settle(self) -> None:
        pass
