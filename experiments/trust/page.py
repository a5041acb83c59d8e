"""The page: every promise with its latest figures, made from the records."""

from collections.abc import Mapping
from typing import Any

from experiments.trust.promises import NOT_PROMISED, PROMISES


def write_up(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page as Markdown; every figure comes from a record."""
    lines = [
        "# What bpjax promises, and how it fared under attack",
        "",
        "Every line was measured by the command below it. *Tried* counts attacks, *failed* those "
        "after which the promise did not hold. Made by `python -m experiments.trust`; do not edit "
        "by hand.",
        "",
        "| | promise | held | tried | failed |",
        "|---|---|---|---|---|",
    ]
    for name, (sentence, proofs) in PROMISES.items():
        found = [records[proof] for proof in proofs if proof in records]
        counts = [
            f"{sum(record[key] for record in found):,}" if found else ""
            for key in ("tried", "failed")
        ]
        held = verdict(found, len(proofs))
        lines.append(f"| [{name}](#{name.lower()}) | {sentence} | {held} | {' | '.join(counts)} |")
    for name, (sentence, proofs) in PROMISES.items():
        lines += ["", f"## {name}", "", f"*{sentence}*"]
        for proof in proofs:
            lines += ["", *about(proof, records.get(proof))]
    lines += ["", "## What is not promised", ""]
    lines += [f"- {words}" for words in NOT_PROMISED]
    weaker = [words for record in records.values() for words in record.get("weaker", ())]
    lines += [f"- {words}" for words in weaker]
    return "\n".join([*lines, ""])


def verdict(found: list[Mapping[str, Any]], wanted: int) -> str:
    """Return yes, no, or how much of a promise was not measured."""
    if any(record["failed"] or not record["tried"] for record in found):
        return "**no**"
    if not found:
        return "not measured"
    if len(found) < wanted:
        return "partly measured"
    return "yes" if all(record.get("full") for record in found) else "yes (quick)"


def about(proof: str, record: Mapping[str, Any] | None) -> list[str]:
    """Return the lines of one proof."""
    if record is None:
        return [f"`{proof}`: not measured."]
    if "command" not in record:
        return [f"`{proof}`: {record['words']}"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    size = "full" if record["full"] else "quick"
    return [
        f"{record['words']}",
        "",
        f"`{record['command']}`  ",
        f"{size}, {record['date']}, {record['seconds']:,.0f} s, {record['machine']}; {versions}",
    ]
