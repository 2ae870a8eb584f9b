import os
import threading
from pathlib import Path

import anyio
import pytest

import kazid.adapters.memory.lease as lease_module
from kazid.adapters.memory.lease import MemoryLeases

pytest.register_assert_rewrite("tests.contracts.lease_contract")
from tests.contracts.lease_contract import LeaseContract

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def leases() -> MemoryLeases:
    return MemoryLeases()


class TestMemoryLeases(LeaseContract):
    async def test_paths_that_lead_to_one_folder_conflict_once_they_are_identified(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "app").mkdir()
        (tmp_path / "current").symlink_to("app")
        real, link = str(tmp_path / "app"), str(tmp_path / "current")
        leases = MemoryLeases(real=os.path.realpath)
        assert leases.acquire(tree=real, holder="ada/web") is None
        assert leases.blocker(tree=link, holder="ada/docs") is None, "nobody knows yet"
        await leases.identify(link)
        assert leases.blocker(tree=f"{real}/part", holder="ada/docs") == "ada/web"
        assert leases.acquire(tree=link, holder="ada/docs") == "ada/web"
        leases.release(tree=real, holder="ada/web")
        assert leases.acquire(tree=link, holder="ada/docs") is None
        with leases.watch(tree=real, holder="ada/web", keeps_out=False) as watch:
            watch.begin()
            assert watch.disturbed_by == "ada/docs"
        leases.release(tree=link, holder="ada/docs")
        assert leases.acquire(tree=real, holder="ada/web") is None

    async def test_a_link_that_was_moved_is_followed_anew_after_a_while(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = tmp_path / "current"
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        link.symlink_to("one")
        leases = MemoryLeases(real=os.path.realpath)
        leases.acquire(tree=str(tmp_path / "two"), holder="ada/web")
        await leases.identify(str(link))
        link.unlink()
        link.symlink_to("two")
        await leases.identify(str(link))
        assert leases.blocker(tree=str(link), holder="ada/docs") is None
        monkeypatch.setattr(lease_module, "IDENTIFIED_S", 0.0)
        await leases.identify(str(link))
        assert leases.blocker(tree=str(link), holder="ada/docs") == "ada/web"

    async def test_a_folder_that_does_not_answer_delays_one_look_a_little_and_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease_module, "IDENTIFY_S", 0.05)
        answers = threading.Event()
        asked: list[str] = []

        def hangs(path: str) -> str:
            asked.append(path)
            answers.wait(60)
            return "/elsewhere"

        leases = MemoryLeases(real=hangs)
        try:
            with anyio.fail_after(30):
                for _ in range(3):
                    await leases.identify("/srv/app")
            assert asked == ["/srv/app"]
            assert leases.acquire(tree="/srv/app", holder="ada/web") is None
            assert leases.blocker(tree="/srv/app/part", holder="ada/docs") == "ada/web", (
                "it stands for itself"
            )
        finally:
            answers.set()

    async def test_a_path_that_cannot_be_followed_stands_for_itself(self) -> None:
        def refuses(path: str) -> str:
            raise OSError(path)

        leases = MemoryLeases(real=refuses)
        await leases.identify("/srv/app")
        leases.acquire(tree="/srv/app", holder="ada/web")
        assert leases.blocker(tree="/srv/app", holder="ada/docs") == "ada/web"
