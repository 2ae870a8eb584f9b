"""`pass_when`: one comparison with a number, such as `">= 80"` or `"== 0"`.

Grammar: an operator of `== != <= >= < >` and a decimal number, spaces around both; no `+`, no exponent, no bare
`.5` (reference/goal-files-and-predicates.md, 3.2). Equality is numeric: 1 equals 1.0.
"""

import operator
import re
from collections.abc import Callable, Mapping

import msgspec

_DIGITS_MAX = 300
"""Beyond this a number is a mistake, and Python refuses to convert it at 4300."""

_GRAMMAR = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


class PassWhen(msgspec.Struct, frozen=True):
    """A parsed comparison."""

    operator: str
    bound: float

    def holds(self, value: float) -> bool:
        """True when `value` compares so with the bound."""
        return _OPERATORS[self.operator](value, self.bound)


def parse_pass_when(text: str) -> PassWhen | None:
    """Return the comparison, or None where the text is not one."""
    matched = _GRAMMAR.fullmatch(text)
    if matched is None or len(matched[2]) > _DIGITS_MAX:
        return None
    number = matched[2]
    return PassWhen(matched[1], float(number) if "." in number else int(number))
