"""What `sweep --until` and `plan` take and say: how well something is known, at which cost."""

from collections.abc import Mapping
from typing import Any

from bpjax.cli.output import say, say_table, share_text
from bpjax.cli.words import whole
from bpjax.text import duration

MOST_ROWS = 50


def numbers_of(options: Any) -> dict[str, Any]:
    """Return the numbers of seeds that options give."""
    given = {name: getattr(options, name) for name in ("seeds", "pilot", "first_seed")}
    return {name: whole(name, text) for name, text in given.items() if text is not None}


def told(known: Any) -> dict[str, Any]:
    """Return what a sweep until something is known says of it, fit for JSON."""
    return {
        "target": str(known.target),
        "reached": known.reached,
        "pilot": known.pilot,
        "looks": [look._asdict() for look in known.looks],
        "points": [
            point._asdict() | {"interval": point.interval._asdict()} for point in known.points
        ],
    }


def print_known(known: Any) -> None:
    """Print it for people."""
    level = f"{known.points[0].interval.level:.0%}"
    outcome = "reached" if known.reached else "not reached: the next look is beyond --seeds"
    say(f"  until          {known.target}: {outcome}")
    for point in known.points[:MOST_ROWS]:
        restart = f", restarts after {point.cutoff:,} epochs" if point.cutoff is not None else ""
        where = ", ".join(f"{name} {value}" for name, value in point.settings.items())
        found = interval_text(known.target.statistic, point.interval)
        say(f"                 {found}{restart}{where and f'  ({where})'}")
    if len(known.points) > MOST_ROWS:
        say(f"                 ... and {len(known.points) - MOST_ROWS:,} more points")
    say(
        f"                 {level} interval, valid at every look ({len(known.looks)} so far); "
        f"without the pilot of {known.pilot:,} seeds"
    )


def told_forecast(forecast: Any) -> dict[str, Any]:
    """Return a forecast, fit for JSON."""
    return {
        "target": str(forecast.target),
        "pilot": [estimate._asdict() for estimate in forecast.estimates],
        "seeds": forecast.seeds._asdict(),
        "seconds": forecast.seconds,
    }


def print_forecasts(forecasts: list[Any], most: int) -> None:
    """Print forecasts as a table."""
    table = [("to know", "seeds (nine of ten pilots)", "time here")]
    for forecast in forecasts:
        table.append((str(forecast.target), _seeds(forecast.seeds, most), _time(forecast.seconds)))
    say_table(table)


def _seeds(seeds: Any, most: int) -> str:
    if seeds.estimate is None:
        return f"more than {most:,}"
    low, high = ("more" if end is None else _rough(end) for end in (seeds.low, seeds.high))
    return f"{_rough(seeds.estimate)} ({low} to {high})"


def _rough(number: int) -> str:
    return f"{int(float(f'{number:.2g}')):,}"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds, decimals=1 if seconds < 10 else 0)


def interval_text(statistic: str, interval: Any) -> str:
    """Return an estimate with its interval.

    Example:
      >>> from bpjax.analysis.convergence import Interval
      >>> interval_text("median", Interval(960, 946, None, 0.95))
      '960 epochs (946 to not reached)'
    """
    if statistic == "success_rate":
        return share_text(interval._asdict())
    estimate, low, high = (
        "not reached" if epochs is None else f"{epochs:,.0f}" for epochs in interval[:3]
    )
    unit = "" if interval.estimate is None else " epochs"
    return f"{estimate}{unit} ({low} to {high})"


def pilot_line(summary: Mapping[str, Any]) -> str:
    """Return what a pilot found, in a line."""
    return f"pilot: {summary['num_runs']:,} runs, {share_text(summary['success_rate'])} solved"
