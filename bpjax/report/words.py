"""Numbers and settings as a report writes them, and text that cannot disturb a page."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NOT_REACHED = "not reached"
NO_BREAK = chr(0xA0)
"""The space between a number and its sign."""
_LAST = 253_402_300_799
"""The last second of the year 9999, the last that a calendar here knows."""
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def count(value: float | None) -> str:
    """Return a number of runs or epochs.

    Example:
      >>> count(12345), count(None)
      ('12,345', 'not reached')
    """
    return NOT_REACHED if value is None else f"{value:,.0f}"


def span(low: float | None, high: float | None) -> str:
    """Return the ends of an interval of epochs.

    Example:
      >>> span(10, None)
      '10 to not reached'
    """
    return f"{count(low)} to {count(high)}"


def rate(interval: Mapping[str, Any]) -> tuple[str, str]:
    """Return a share and its interval as percentages, with the digits that the interval merits.

    Example:
      >>> for text in rate({"estimate": 0.96925, "low": 0.9689, "high": 0.9696}):
      ...     print(text.replace(NO_BREAK, " "))
      96.92 %
      96.89 to 96.96 %
    """
    low, high = interval["low"], interval["high"]
    width = 100 * (high - low)
    digits = min(max(-math.floor(math.log10(width)), 1), 8) if width > 0 else 1
    return f"{100 * interval['estimate']:.{digits}f}{NO_BREAK}%", (
        f"{100 * low:.{digits}f} to {100 * high:.{digits}f}{NO_BREAK}%"
    )


def difference(interval: Any) -> tuple[str, str]:
    """Return a difference of two shares and its interval, in points of a hundred with their sign.

    Example:
      >>> from bpjax.analysis.convergence import Interval
      >>> for text in difference(Interval(0.0167, -0.004, 0.0372, 0.95)): print(text)
      +1.7
      −0.4 to +3.7
    """
    value, low, high = (f"{100 * share:+.1f}".replace("-", chr(0x2212)) for share in interval[:3])
    return value, f"{low} to {high}"


def level(share: float) -> str:
    """Return a confidence level.

    Example:
      >>> level(0.95).split(NO_BREAK)
      ['95', '%']
    """
    return f"{100 * share:g}{NO_BREAK}%"


def pvalue(value: float) -> str:
    """Return a p value with two digits.

    Example:
      >>> [pvalue(value) for value in (0.5, 0.0231, 0.00021, 3.14e-12, 0.0)]
      ['0.50', '0.023', '2.1 × 10⁻⁴', '3.1 × 10⁻¹²', 'below 10⁻³⁰⁰']
    """
    if value < 1e-300:
        return f"below 10{'-300'.translate(_SUPERSCRIPTS)}"
    if value < 0.001:
        digits, power = f"{value:.1e}".split("e")
        return f"{digits} × 10{str(int(power)).translate(_SUPERSCRIPTS)}"
    return f"{value:.{1 - math.floor(math.log10(value))}f}" if value < 0.1 else f"{value:.2f}"


def setting(value: Any) -> str:
    """Return the value of a setting, or the first and last of many.

    Example:
      >>> setting([0.1, 0.30000000000000004]), setting(True), setting(20_000)
      ('0.1, 0.3', 'yes', '20,000')
      >>> setting(list(range(20)))
      '0, 1, 2, …, 18, 19'
    """
    if isinstance(value, list):
        few = value if len(value) <= 8 else [*value[:3], "…", *value[-2:]]
        return ", ".join(map(setting, few))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def decimal(value: float) -> str:
    """Return a weight.

    Example:
      >>> decimal(-2.97081) == chr(0x2212) + "2.9708"
      True
    """
    return f"{value:.4f}".replace("-", chr(0x2212))


def name(setting_name: str) -> str:
    """Return the name of a setting for people: without underscores."""
    return setting_name.replace("_", " ")


def speed(per_second: float) -> str:
    """Return a speed with three digits.

    Example:
      >>> speed(24_812_345.6), speed(0.5)
      ('24,800,000', '0.5')
    """
    rounded = float(f"{per_second:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def moments(began: float, ended: float) -> str:
    """Return from when to when, given in seconds since 1970.

    Example:
      >>> moments(0, 1), moments(0, 60), moments(0, 86_400)[:26]
      ('1970-01-01 00:00 UTC', '1970-01-01 00:00 to 00:01 UTC', '1970-01-01 00:00 to 1970-0')
    """
    first, last = (
        datetime.fromtimestamp(min(max(seconds, 0), _LAST), UTC).strftime("%Y-%m-%d %H:%M").split()
        for seconds in (began, ended)
    )
    if first == last:
        return f"{' '.join(first)} UTC"
    until = last[1] if first[0] == last[0] else " ".join(last)
    return f"{' '.join(first)} to {until} UTC"
