"""The exit-code table covers every status and says what each code means."""

from kazid.core.status import GoalStatus
from kazid.wire import exit_codes


def test_every_status_has_an_exit_code() -> None:
    assert set(exit_codes.BY_STATUS) == {status.value for status in GoalStatus}


def test_every_code_is_explained() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(exit_codes.MEANINGS)
    assert set(exit_codes.BY_STATUS.values()) <= codes
