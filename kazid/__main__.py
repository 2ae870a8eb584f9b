"""`kazid` and `python -m kazid`: refuse to run without assertions, then hand over to `main`."""

import sys


def main() -> None:
    """The console script."""
    if not __debug__:
        sys.exit("kazid: assertions are part of the product; run without -O")
    from kazid.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
