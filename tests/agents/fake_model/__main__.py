"""The scripted model by hand, until it is interrupted:

    python -m tests.agents.fake_model [--port 0] [--scenarios extra.json] [--log requests.jsonl] [--dump DIR]

It prints one line `READY http://127.0.0.1:<port>` once it accepts connections.
"""

import argparse
import json
import signal
import sys
import threading

from tests.agents.fake_model import FakeModel


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--scenarios", help="JSON file of further scenarios, by name")
    ap.add_argument("--log", help="append one JSON line per request here")
    ap.add_argument("--dump", help="write every request body into this folder")
    args = ap.parse_args()
    extra = {}
    if args.scenarios:
        with open(args.scenarios, encoding="utf-8") as f:
            extra = json.load(f)
    done = threading.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: done.set())
    with FakeModel(extra, port=args.port, log=args.log, dump=args.dump) as fake:
        print(f"READY {fake.base}", flush=True)
        done.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
