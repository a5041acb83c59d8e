import numpy as np
import pytest

from bpjax.errors import SettingError, shown
from bpjax.numbers import as_float, real_number, whole_number


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2)])
def test_whole_numbers_become_python_ints(value):
    assert type(whole_number("hidden", value, 1)) is int
    assert whole_number("hidden", value, 2, 2) == 2


@pytest.mark.parametrize("value", [0, 2.0, np.float64(2), True, np.True_, "2", None, [2]])
def test_what_is_no_whole_number_in_range_is_named(value):
    with pytest.raises(SettingError) as fault:
        whole_number("hidden", value, 1)
    assert str(fault.value) == f"`hidden` must be a whole number of at least 1, got {value!r}."


@pytest.mark.parametrize(
    ("largest", "words"), [(12, "12"), (0, "0"), (2**31 - 2, r"2\*\*31 - 2"), (2**32, r"2\*\*32")]
)
def test_the_limit_is_named_as_people_write_it(largest, words):
    with pytest.raises(SettingError, match=f"of it must be a whole number from -1 to {words}, got"):
        whole_number("bits", largest + 1, -1, largest, of="of it")


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5)])
def test_real_numbers_become_python_floats(value):
    assert type(real_number("rate", value, "must be", lambda x: x == 0.5)) is float
    assert type(as_float(np.int32(1))) is float


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**400, True, np.True_, "1", None, 1j, -1.0, -1]
)
def test_what_is_no_finite_number_or_breaks_the_rule_is_named(value):
    with pytest.raises(SettingError) as fault:
        real_number("rate", value, "must be positive", lambda x: x > 0)
    assert str(fault.value) == f"`rate` must be positive, got {shown(repr(value))}."
