"""The `kazictl` command: arguments in, exit code out. Everything else is behind `cli.run`."""

import sys

from kazictl.cli import run
from kazid.wire import exit_codes


def main() -> None:
    """End the process with the exit code of the command (`kazid/wire/exit_codes.py`)."""
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while reporting an earlier one
        code = exit_codes.INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
