"""Write the pictures of CIFAR-10 and MNIST that come with the package: `python -m docs.excerpts`.

It needs both data sets, and prints the digests that `aecore/data/catalog.py` holds.
"""

from aecore.data import datasets, excerpts
from aecore.data.catalog import EXCERPTS, SHIPPED


def main() -> None:
    """Write every excerpt."""
    SHIPPED.mkdir(exist_ok=True)
    for name, excerpt in EXCERPTS.items():
        print(name, excerpts.write(datasets.load(excerpt.whole), excerpt, SHIPPED))


if __name__ == "__main__":
    main()
