"""What every lease store promises: each sentence of `ports/lease.py` is a test with its words."""

import anyio
import anyio.lowlevel
import pytest

from kazid.ports.lease import Leases


class LeaseContract:
    """Inherit, and provide the fixtures `leases` (none held) and `anyio_backend`."""

    @pytest.mark.parametrize(
        ("held", "wanted"),
        [
            pytest.param("/srv/app", "/srv/app", id="the-same"),
            pytest.param("/srv/app", "/srv/app/", id="written-otherwise"),
            pytest.param("/srv", "/srv/app/web", id="nested-in-it"),
            pytest.param("/srv/app/web", "/srv", id="around-it"),
            pytest.param("/", "/srv", id="the-root"),
        ],
    )
    async def test_a_tree_and_a_tree_nested_in_it_conflict(
        self, leases: Leases, held: str, wanted: str
    ) -> None:
        assert leases.acquire(tree=held, holder="ada/web") is None
        assert leases.acquire(tree=wanted, holder="ada/docs") == "ada/web"
        leases.release(tree=held, holder="ada/web")
        assert leases.acquire(tree=wanted, holder="ada/docs") is None

    @pytest.mark.parametrize(
        ("held", "wanted"), [("/srv/app", "/srv/app-2"), ("/srv/app/a", "/srv/app/b"), ("/srv/ab", "/srv/a")]
    )
    async def test_trees_side_by_side_do_not_conflict(self, leases: Leases, held: str, wanted: str) -> None:
        assert leases.acquire(tree=held, holder="ada/web") is None
        assert leases.acquire(tree=wanted, holder="ada/docs") is None

    async def test_acquiring_what_one_holds_already_succeeds(self, leases: Leases) -> None:
        for _ in range(2):
            assert leases.acquire(tree="/srv/app", holder="ada/web") is None
        leases.release(tree="/srv/app", holder="ada/web")
        assert leases.acquire(tree="/srv/app", holder="ada/docs") is None

    async def test_a_refused_acquire_takes_nothing(self, leases: Leases) -> None:
        leases.acquire(tree="/srv/app/web", holder="ada/web")
        assert leases.acquire(tree="/srv", holder="ada/docs") == "ada/web"
        leases.release(tree="/srv/app/web", holder="ada/web")
        assert leases.acquire(tree="/srv/other", holder="ada/third") is None

    async def test_only_the_holder_releases_so_a_stale_release_cannot_free_anothers_lease(
        self, leases: Leases
    ) -> None:
        leases.acquire(tree="/srv/app", holder="ada/web")
        leases.release(tree="/srv/app", holder="ada/web")
        leases.acquire(tree="/srv/app", holder="ada/docs")
        leases.release(tree="/srv/app", holder="ada/web")
        assert leases.acquire(tree="/srv/app", holder="ada/web") == "ada/docs"

    async def test_releasing_what_is_not_held_is_harmless(self, leases: Leases) -> None:
        leases.release(tree="/srv/app", holder="ada/web")
        assert leases.acquire(tree="/srv/app", holder="ada/docs") is None

    async def test_a_release_wakes_whoever_waits(self, leases: Leases) -> None:
        woken: list[int] = []

        async def waiter(number: int) -> None:
            await leases.wait_released()
            woken.append(number)

        leases.acquire(tree="/srv/app", holder="ada/web")
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for number in range(3):
                    group.start_soon(waiter, number)
                await anyio.wait_all_tasks_blocked()
                leases.release(tree="/srv/app", holder="ada/docs")
                await anyio.wait_all_tasks_blocked()
                assert woken == [], "a release by someone else is none"
                leases.release(tree="/srv/app", holder="ada/web")
        assert sorted(woken) == [0, 1, 2]

    async def test_asking_who_blocks_takes_nothing_and_wakes_nobody(self, leases: Leases) -> None:
        assert leases.blocker(tree="/srv/app", holder="ada/web") is None
        assert leases.acquire(tree="/srv", holder="ada/docs") is None
        assert leases.blocker(tree="/srv/app", holder="ada/web") == "ada/docs"
        assert leases.blocker(tree="/srv/app", holder="ada/docs") is None
        with anyio.move_on_after(0.05) as scope:
            await leases.wait_released()
        assert scope.cancelled_caught

    async def test_a_release_is_not_missed_by_who_was_busy_then(self, leases: Leases) -> None:
        leases.acquire(tree="/srv/app", holder="ada/web")
        leases.release(tree="/srv/app", holder="ada/web")
        with anyio.fail_after(60):
            await leases.wait_released()

    @pytest.mark.parametrize("held", ["/srv/app", "/srv", "/srv/app/web"])
    async def test_a_watch_tells_who_else_had_a_lease_at_any_moment_since_the_look_began(
        self, leases: Leases, held: str
    ) -> None:
        with leases.watch(tree="/srv/app", holder="ada/docs", keeps_out=False) as watch:
            watch.begin()
            assert watch.disturbed_by is None
            leases.acquire(tree=held, holder="ada/web")
            leases.release(tree=held, holder="ada/web")
            assert watch.disturbed_by == "ada/web", "it may be over by then"
        leases.acquire(tree=held, holder="ada/web")
        with leases.watch(tree="/srv/app", holder="ada/docs", keeps_out=False) as watch:
            watch.begin()
            assert watch.disturbed_by == "ada/web", "who acts already"

    async def test_what_ended_before_the_look_began_and_what_is_elsewhere_is_no_disturbance(
        self, leases: Leases
    ) -> None:
        with leases.watch(tree="/srv/app", holder="ada/docs", keeps_out=False) as watch:
            leases.acquire(tree="/srv/app", holder="ada/web")
            leases.release(tree="/srv/app", holder="ada/web")
            watch.begin()
            leases.acquire(tree="/srv/app-2", holder="ada/web")
        assert watch.disturbed_by is None

    async def test_what_its_own_holder_does_is_no_disturbance(self, leases: Leases) -> None:
        with leases.watch(tree="/srv/app", holder="ada/docs", keeps_out=True) as watch:
            watch.begin()
            assert leases.blocker(tree="/srv/app", holder="ada/docs") is None
            leases.acquire(tree="/srv/app", holder="ada/docs")
            assert watch.disturbed_by is None
            await watch.until_free()

    async def test_a_watch_that_keeps_acts_out_blocks_others_until_it_ends_and_its_end_wakes_whoever_waits(
        self, leases: Leases
    ) -> None:
        with leases.watch(tree="/srv/app", holder="ada/docs", keeps_out=True):
            assert leases.blocker(tree="/srv", holder="ada/web") == "ada/docs"
            assert leases.acting(tree="/srv", holder="ada/web") is None, "a look is no act"
            with leases.watch(tree="/srv/app", holder="ada/third", keeps_out=True) as other:
                await other.until_free()
        assert leases.blocker(tree="/srv", holder="ada/web") is None
        with anyio.fail_after(60):
            await leases.wait_released()

    async def test_a_watch_returns_when_nobody_else_acts_there(self, leases: Leases) -> None:
        seen: list[str] = []

        async def look() -> None:
            with leases.watch(tree="/srv/app", holder="ada/docs", keeps_out=True) as watch:
                await watch.until_free()
                watch.begin()
                seen.append(watch.disturbed_by or "nobody")

        leases.acquire(tree="/srv/app/web", holder="ada/web")
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(look)
                await anyio.wait_all_tasks_blocked()
                assert not seen
                leases.release(tree="/srv/app/web", holder="ada/web")
        assert seen == ["nobody"]
