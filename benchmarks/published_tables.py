"""Write the tables of docs/BENCHMARKS.md with published figures, from the results of ``screentest benchmark``.

    python -m benchmarks.published_tables docs/results/*.json

Each file is what ``screentest benchmark PROTOCOL --data PATH --json FILE`` wrote. What stands between the markers in
docs/BENCHMARKS.md is replaced; a protocol whose published data were not run here says so, with the command to run it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.files import write_whole
from wrappers.protocols.protocol import Protocol
from wrappers.protocols.registry import protocol, protocol_names

_PAGE = Path(__file__).parents[1] / "docs" / "BENCHMARKS.md"
_BEGIN, _END = "<!-- published figures: begin -->", "<!-- published figures: end -->"


def tables(rows: Sequence[dict[str, Any]]) -> str:
    """Every protocol's tables as Markdown, the data that figures are published of first."""
    return "\n\n".join(_section(protocol(name), [row for row in rows if row["protocol"] == name]) for name in _order())


def _order() -> list[str]:
    first = ["ms75", "loo99", "full811", "rating5", "temporal"]
    return [*first, *(name for name in protocol_names() if name not in first)]


def _section(chosen: Protocol, rows: Sequence[dict[str, Any]]) -> str:
    data = list(dict.fromkeys([*chosen.published, *(row["data"] for row in rows)]))
    parts = [f"### `{chosen.name}`: {chosen.summary}"]
    parts += [_table(chosen, name, [row for row in rows if row["data"] == name]) for name in data]
    return "\n\n".join(parts)


def _table(chosen: Protocol, data: str, rows: Sequence[dict[str, Any]]) -> str:
    """Ours and others', best first."""
    metrics = chosen.metrics
    lines = [(row["metrics"], f"**{row['model']}**", f"{row['fit_seconds']:.1f} s") for row in rows]
    lines += [(dict(one.figures), one.name, "") for one in chosen.published.get(data, ())]
    worst = float("inf") if chosen.lower_is_better else float("-inf")
    lines.sort(key=lambda line: line[0].get(metrics[0], worst), reverse=not chosen.lower_is_better)
    header = f"| {data}: model (ours bold) | {' | '.join(metrics)} | fit |\n|---|{'---|' * len(metrics)}---|"
    body = "\n".join(
        f"| {name} | {' | '.join(_figure(figures.get(metric)) for metric in metrics)} | {seconds} |"
        for figures, name, seconds in lines
    )
    said = "" if rows else f"\n\nNot run here: `screentest benchmark {chosen.name} --data PATH-TO-{data.upper()}`"
    return f"{header}\n{body}{said}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def main() -> int:
    """Rewrite the page; 1 if it has no place for the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="JSON files of results")
    given = parser.parse_args()
    rows = [row for path in given.results for row in json.loads(path.read_text(encoding="utf-8"))]
    page = _PAGE.read_text(encoding="utf-8")
    if _BEGIN not in page or _END not in page:
        print(f"{_PAGE} lacks the lines {_BEGIN} and {_END}", file=sys.stderr)
        return 1
    before, _, rest = page.partition(_BEGIN)
    write_whole(_PAGE, f"{before}{_BEGIN}\n\n{tables(rows)}\n\n{_END}{rest.partition(_END)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
