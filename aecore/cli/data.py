"""The command `data`: lists the data sets that are here, and downloads others."""

from __future__ import annotations

import argparse

from aecore.cli.output import add_json, say, write_rows
from aecore.data import catalog, downloads


def add_data(parser: argparse.ArgumentParser) -> None:
    """The commands below `data`."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    status = actions.add_parser("status", help="list the data sets and where they are")
    add_json(status)
    status.set_defaults(command=_status)
    fetch = actions.add_parser("fetch", help="download a data set, verify it, and put it in place")
    fetch.add_argument("names", metavar="NAME", nargs="+", help="data sets, for example cifar10")
    fetch.set_defaults(command=_fetch)


def _status(options: argparse.Namespace) -> None:
    rows = [
        {
            "name": status.name,
            "title": status.title,
            "here": status.available,
            "pictures": status.pictures,
            "size": status.size,
            "path": str(status.path),
        }
        for status in catalog.status()
    ]
    write_rows(rows, list(rows[0]), as_json=options.json)


def _fetch(options: argparse.Namespace) -> None:
    for name in options.names:
        downloads.fetch(name, progress=say)
