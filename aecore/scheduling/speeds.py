"""The measured training speeds of this machine, stored in the queue's database."""

from __future__ import annotations

from aecore.models.recipe import RunSpec
from aecore.scheduling.database import Database
from aecore.scheduling.places import accelerator


class Speeds:
    """Pictures per second by architecture, batch size and device; each belongs to its hardware."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, spec: RunSpec, device: str, images_per_second: float, runs: int = 1) -> None:
        """Store a measurement on this machine's `device`; it replaces an earlier one.

        Speeds of one of many `runs` side by side are stored apart, where these have fewer threads than one alone.
        """
        with self._database.writing(create=True) as db:
            db.execute(
                "INSERT OR REPLACE INTO speeds VALUES (?, ?, ?, ?, ?)", (*_key(spec, device, runs), images_per_second)
            )

    def find(self, spec: RunSpec, device: str, runs: int = 1) -> float | None:
        """Pictures per second on this machine's `device`, as last measured, or None; of each of `runs` as `record`."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT images_per_second FROM speeds "
                "WHERE architecture = ? AND batch_size = ? AND device = ? AND accelerator = ?",
                _key(spec, device, runs),
            ).fetchone()
        return row["images_per_second"] if row else None

    def all(self, spec: RunSpec) -> dict[tuple[str, str], float]:
        """Pictures per second by device and accelerator, on whatever hardware it was measured."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT device, accelerator, images_per_second FROM speeds "
                "WHERE architecture = ? AND batch_size = ? ORDER BY images_per_second DESC",
                (str(spec.architecture), spec.recipe.batch_size),
            ).fetchall()
        return {(row["device"], row["accelerator"]): row["images_per_second"] for row in rows}


def _key(spec: RunSpec, device: str, runs: int) -> tuple[str, int, str, str]:
    return str(spec.architecture), spec.recipe.batch_size, device, accelerator(device, runs)
