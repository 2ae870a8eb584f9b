import pytest

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
    pass
