"""A policy server and a model server under a steady load for long: memory, open files and errors.

    python -m benchmarks.soak [--minutes 30] [--rate 50]

Each session is a list and a click. Memory is flat when the last quarter's mean is no more than a tenth above that of
the second quarter: in the first one caches fill.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import aiohttp
import psutil
from sqlalchemy import func, select

from benchmarks.choose_with_features import N_USERS, Stack, path, running
from events.database import open_database, reading
from events.schema import EXPOSURES, OUTCOMES
from serving.processes import poll

SAMPLES = 60
GROWTH = 1.1
_NAMES = ("policy server", "model server")


class Sample(NamedTuple):
    """What the processes held at one time."""

    rss_mib: list[float]
    files: list[int]


class Soaked(NamedTuple):
    """What a soak came to.

    Attributes:
        samples: Evenly spaced.
        statuses: How many answers had each HTTP status, -1 for none.
        clicks: Acknowledged updates.
    """

    samples: list[Sample]
    statuses: Counter[int]
    clicks: int


async def soak(stack: Stack, *, seconds: float, rate: float) -> Soaked:
    """Drive sessions at a rate and look at the processes."""
    statuses: Counter[int] = Counter()
    samples: list[Sample] = []
    clicks = 0
    base = f"http://127.0.0.1:{stack.port}"

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:

        async def session(number: int) -> None:
            nonlocal clicks
            try:
                async with http.get(base + path(number)) as answer:
                    statuses[answer.status] += 1
                    shown = await answer.json()
                body = {"user_id": 1 + number % N_USERS, "arm": shown["arm"], "reward": 1}
                body |= {"item_id": shown["items"][0]["item_id"], "decision_id": shown["decision_id"]}
                async with http.post(base + "/update", json=body) as answer:
                    statuses[answer.status] += 1
                    clicks += answer.status == 200
            except aiohttp.ClientError:
                statuses[-1] += 1

        start = time.perf_counter()
        async with asyncio.TaskGroup() as under_way:
            for number in range(int(rate * seconds)):
                due = number / rate
                await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
                if due >= len(samples) * seconds / SAMPLES:
                    samples.append(_sample(stack.processes))
                under_way.create_task(session(number))
    samples.append(_sample(stack.processes))
    return Soaked(samples, statuses, clicks)


def _sample(processes: list[psutil.Process]) -> Sample:
    return Sample([one.memory_info().rss / 2**20 for one in processes], [one.num_fds() for one in processes])


def check(stack: Stack, soaked: Soaked) -> list[str]:
    """Print the figures; the names of the bars missed."""
    quarter = len(soaked.samples) // 4
    missed = []
    for place, name in enumerate(_NAMES):
        rss = [sample.rss_mib[place] for sample in soaked.samples]
        files = [sample.files[place] for sample in soaked.samples]
        early, late = fmean(rss[quarter : 2 * quarter]), fmean(rss[-quarter:])
        print(
            f"{name:14} RSS {rss[0]:.0f} MiB at first, {early:.0f} in the second quarter, {late:.0f} in the last "
            f"({late / early:.3f}, bar: <= {GROWTH:g}); open files {min(files)} to {max(files)}, {files[-1]} at the end"
        )
        missed += [f"memory of the {name}"] if late > GROWTH * early else []
        missed += [f"files of the {name}"] if max(files[-quarter:]) > 2 * max(files[: 2 * quarter]) else []
    errors = soaked.statuses.total() - soaked.statuses[200]
    engine = open_database(stack.events)

    def kept() -> tuple[int, int]:
        with reading(engine) as connection:
            return tuple(connection.scalar(select(func.count()).select_from(t)) or 0 for t in (EXPOSURES, OUTCOMES))  # type: ignore[return-value]

    lists = soaked.statuses[200] - soaked.clicks
    whole = poll(lambda: kept() == (lists, soaked.clicks), 30)
    print(f"{lists:,} lists, {soaked.clicks:,} updates, {errors} errors {dict(soaked.statuses)}; in the log: {kept()}")
    engine.dispose()
    return [*missed, *(["errors"] if errors else []), *([] if whole else ["the log"])]


def run(minutes: float, rate: float, folder: Path) -> list[str]:
    """A soak from start to end; the names of the bars missed."""
    with running("logreg", folder, "hash") as stack:
        return check(stack, asyncio.run(soak(stack, seconds=60 * minutes, rate=rate)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=50.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        missed = run(given.minutes, given.rate, Path(name))
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
