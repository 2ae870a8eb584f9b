"""What Python itself asks for idle goals: one bare anyio task each, woken at the same rate, doing nothing.

The limit beside which the idle bench puts kazid. Run as: floor.py TASKS INTERVAL_S; says `ready` when all sleep.
"""

import random
import sys

import anyio


async def main(tasks: int, interval_s: float) -> None:
    dice = random.Random(0)

    async def sleeper(first_s: float) -> None:
        delay_s = first_s
        while True:
            event = anyio.Event()
            with anyio.move_on_after(delay_s):
                await event.wait()
            delay_s = interval_s * dice.uniform(0.9, 1.1)

    async with anyio.create_task_group() as group:
        for _ in range(tasks):
            group.start_soon(sleeper, dice.uniform(0, interval_s))
        await anyio.sleep(0.1)
        print("ready", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), float(sys.argv[2]))
