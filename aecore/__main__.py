"""`python -m aecore`."""

from aecore.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
