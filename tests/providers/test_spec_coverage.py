"""`spec_coverage`: what is a public name, and which words of a scenario speak of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.providers.formats.public_names import EXTENSIONS, names_in
from kazid.providers.spec_coverage import SpecCoverage, SpecCoverageOptions, is_allowed, words_of
from kazid.testing import ODD_VALUES
from tests.providers.running import really

pytestmark = pytest.mark.anyio

ELIXIR = """
defmodule Shop.Cart do
  def add(cart, %{id: id, n: n}), do: cart
  def empty, do: []
  defp secret(x), do: x
  defmodule Item do
    def price(item) do
    end
  end
end
"""


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("shop/cart.ex", ELIXIR, ["Shop.Cart.add/2", "Shop.Cart.empty/0", "Shop.Cart.Item.price/1"]),
        ("mix/t.ex", "defmodule Mix.Tasks.ShopKeeper.Open do\n", ["mix shop_keeper.open"]),
        (
            "shop/cart.py",
            "class Cart:\n    def add(self):\n        def inner(): ...\n    def _no(self): ...\nasync def pay(): ...\n"
            "def _private(): ...\n",
            ["shop.cart.Cart", "shop.cart.Cart.add", "shop.cart.pay"],
        ),
        ("shop/__init__.py", "def f(): ...\n", ["shop.f"]),
        ("shop/_own.py", "def f(): ...\n", []),
        ("a/b.ts", "export async function f() {}\nexport class C {}\nfunction g() {}\n", ["a/b.f", "a/b.C"]),
        ("a.go", "package shop\nfunc Open() {}\nfunc (c *Cart) Add() {}\nfunc no() {}\n",
         ["shop.Open", "shop.Cart.Add"]),
        ("a_test.go", "package shop\nfunc TestOpen() {}\n", []),
        ("a.rb", "def f\nend\n", []),
    ],
)  # fmt: skip
def test_a_public_name_is_what_a_person_would_write(path: str, text: str, names: list[str]) -> None:
    assert list(names_in(path, text)) == names


@given(
    st.sampled_from(sorted(EXTENSIONS)),
    st.text(alphabet="defmodule class(export) \n:{}[]=.A_b", max_size=300),
)
def test_no_source_breaks_it(extension: str, text: str) -> None:
    list(names_in(f"a/b{extension}", text))


def test_words_with_a_dot_or_a_slash_are_names() -> None:
    feature = "Feature: F\n  Scenario: Shop.Cart.add/2 works\n    Given `shop.pay`, and (GET /orders) e.g.\n"
    assert list(words_of(feature)) == ["Shop.Cart.add/2", "shop.pay", "/orders", "e.g"]


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ("shop.pay", True),
        ("shop.*", True),
        ("shop*pay", True),
        ("*", True),
        ("shop", False),
        ("shop.pay*pay", False),
    ],
)
def test_a_list_allows_names_and_beginnings(pattern: str, holds: bool) -> None:
    assert is_allowed("shop.pay", [pattern]) is holds


def a_shop(folder: Path, feature: str) -> None:
    for name, text in {
        "lib/shop.py": "def pay(): ...\ndef refund(): ...\n",
        "lib/node_modules/x.py": "def no(): ...\n",
        "docs/specs/deep/shop.feature": f"Feature: F\n  Scenario: S\n{feature}",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def test_a_name_that_no_scenario_speaks_of_is_red(tmp_path: Path) -> None:
    a_shop(tmp_path, "    Given shop.pay\n")
    red = await really(SpecCoverage(), {}, tmp_path)
    assert (red.status, red.score, red.evidence["uncovered"]) == (Status.FAIL, 1, ["shop.refund"]), red
    assert red.findings[0].file == "lib/shop.py"
    allowed = await really(SpecCoverage(), {"allow_list": ["shop.ref*"]}, tmp_path)
    assert (allowed.status, allowed.evidence["allowed_count"]) == (Status.PASS, 1)
    a_shop(tmp_path, "    Given shop.pay\n    And shop.refund\n")
    assert (await really(SpecCoverage(), {}, tmp_path)).status is Status.PASS


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"source_dirs": ["nowhere"]}, "no_surface", id="nothing-there"),
        pytest.param({"source_dirs": ["../lib"]}, "invalid_config", id="outside"),
        pytest.param({"features": ["/etc/*"]}, "invalid_config", id="an-absolute-glob"),
        pytest.param({"no_such_option": 1}, "invalid_config", id="an-unknown-option"),
    ],
)
async def test_what_cannot_be_looked_at_is_an_error(
    tmp_path: Path, options: dict[str, Json], reason: str
) -> None:
    a_shop(tmp_path, "    Given shop.pay\n")
    verdict = await really(SpecCoverage(), options, tmp_path)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason), verdict


async def test_no_option_breaks_it(tmp_path: Path) -> None:
    a_shop(tmp_path, "    Given shop.pay\n")
    for key in SpecCoverageOptions.__struct_fields__:
        for odd in ODD_VALUES:
            await really(SpecCoverage(), {key: odd}, tmp_path)
    gone = await really(SpecCoverage(), {}, tmp_path / "gone")
    assert (gone.status, gone.reason) == (Status.ERROR, "workspace_missing")
