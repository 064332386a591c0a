"""What a simulation's log amounts to: traffic by window, regret, and the A/B verdict of the fixed split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from cli.simulation import Simulation
from core.files import write_whole
from events.simulated_log import COLUMNS
from events.traffic_aggregate import WINDOWS, Window, strategy_traffic
from events.unit_aggregate import ROWS, ExperimentTable, UnitNumber, arm_cells
from events.whole_parquet import write_parquet
from experiments.analysis import Analysis, AnalysisPlan, MetricArms, analyse
from experiments.bandits.context_free import UpperBound
from experiments.bandits.curves import BoundCurves, bound_curves
from experiments.inference.estimates import ratio_estimate
from experiments.inference.moments import Moments
from experiments.inference.status_words import status_sentence
from experiments.json_document import json_document
from experiments.metrics import Metric
from experiments.over_time.traffic_windows import Least, TrafficCells, TrafficWindows, least_regret, traffic_windows
from experiments.strategies import FIXED
from experiments.verdict import Verdict, verdict
from experiments.verdict_words import verdict_sentence
from loaders.experiment_file import open_experiment

_METRIC = Metric("clicks per session", "ratio", "reward")


@dataclass(frozen=True)
class ABTest:
    """The fixed split of the first run, analysed as the A/B test it is.

    Attributes:
        analysis: The figures; sequential, so that they may be looked at after every round.
        verdict: What to do.
    """

    analysis: Analysis
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        status = self.analysis.primary[0].comparison.status
        return verdict_sentence(
            self.analysis, self.verdict, "en", "" if status == "ok" else status_sentence(status, "en")
        )


@dataclass(frozen=True, eq=False)
class Results:
    """What the log amounts to.

    Attributes:
        simulation: Whose log.
        sessions: Sessions of each run under each strategy.
        windows: Strategy to kind of window to its traffic.
        least: Who lost least.
        ab: None where no split is fixed, or nobody was shown a second arm yet.
        bounds: Of the strategies that go by an upper bound: what they took the arms for in the first run.
    """

    simulation: Simulation
    sessions: int
    windows: Mapping[str, Mapping[Window, TrafficWindows]]
    least: Least
    ab: ABTest | None
    bounds: Mapping[str, BoundCurves]

    @property
    def differ(self) -> bool:
        """Whether any arm is better than another."""
        means = self.simulation.world.means
        return bool(means.max() > means.min())

    @property
    def until(self) -> int:
        """Seconds since 1970 of simulated time that has passed whole, to within a session."""
        world = self.simulation.world
        day, rest = divmod(self.sessions, world.daily)
        return (world.first_day + day) * 86_400 + rest * 86_400 // world.daily

    def sentence(self) -> str:
        """Which strategy lost least."""
        world, least = self.simulation.world, self.least
        if not self.differ:
            return "No arm is better than another, so no strategy could lose anything."
        lost = float(self.windows[least.strategy]["month"].run_regret.mean())
        told = (
            f"{least.strategy} lost least: {lost:,.1f} clicks in {self.sessions:,} sessions against showing "
            f"{world.arms[world.best_arm]} to everybody"
        )
        if not least.next:
            return told + "."
        if least.told_apart:
            band = f"95 % {least.ci_lower:,.1f} to {least.ci_upper:,.1f}"
            return f"{told}; {least.next} lost {least.difference:,.1f} more ({band})."
        return f"{told}; {least.next} lost {least.difference:,.1f} more, which is not beyond chance."


def results(simulation: Simulation) -> Results:
    """Aggregate the whole log.

    Raises:
        DataError: The log is empty or damaged.
    """
    world, plan = simulation.world, simulation.plan
    place = {arm: index for index, arm in enumerate(world.arms)}
    with open_experiment(simulation.log.folder, columns=COLUMNS) as table:
        found = strategy_traffic(table, interval=plan.interval)
        ab = _ab_test(table, simulation) if FIXED in plan.strategies else None
        bounds = {name: curves for name in plan.strategies if (curves := _bounds(table, simulation, name)) is not None}
    windows: dict[str, dict[Window, TrafficWindows]] = {}
    for name in plan.strategies:
        for kind in WINDOWS:
            cells = found[name, kind]
            arm = np.array([place[variant] for variant in cells.variant.tolist()], np.int64)
            table_of = TrafficCells(cells.start, cells.run, arm, cells.impressions, cells.clicks, cells.propensity)
            windows.setdefault(name, {})[kind] = traffic_windows(table_of, world.means, n_runs=plan.runs)
    least = least_regret({name: kinds["month"].run_regret for name, kinds in windows.items()})
    return Results(simulation, simulation.log.next_session(), windows, least, ab, bounds)


def _bounds(table: Any, simulation: Simulation, name: str) -> BoundCurves | None:
    policy = simulation.policy(name)
    if not isinstance(policy, UpperBound):
        return None
    rows = table.filter((table.strategy == name) & (table.run == 0)).order_by("session")
    found = rows.select("variant", "reward").to_pyarrow()
    return bound_curves(policy, found["variant"].to_numpy(), found["reward"].to_numpy())


def _ab_test(table: Any, simulation: Simulation) -> ABTest | None:
    """Clicks per session by unit, since units were randomised and sessions were not."""
    rows = table.filter((table.strategy == FIXED) & (table.run == 0))
    numbers = [UnitNumber("reward"), UnitNumber(ROWS)]
    cells = [cell for cell in arm_cells(rows, ExperimentTable("unit_id", "variant", [numbers])) if cell.fate == "kept"]
    arms, weights = simulation.world.arms, simulation.plan.weights or (1.0,) * len(simulation.world.arms)
    units = {cell.variant: cell.units for cell in cells}
    if arms[0] not in units or len(units) < 2:
        return None
    estimates = {
        cell.variant: ratio_estimate(Moments(int(cell.counted[0]), cell.means[0], cell.crosses[0])) for cell in cells
    }
    plan = AnalysisPlan(control=arms[0], method="sequential", weights=dict(zip(arms, weights, strict=True)))
    analysis = analyse(plan, units, [MetricArms(_METRIC, estimates, {}, {})])
    return ABTest(analysis, verdict(analysis))


def strategy_rows(found: Results) -> list[dict[str, Any]]:
    """One row per strategy: sessions, click rate, shares, regret with its band, and the best arm it found."""
    world = found.simulation.world
    rows = []
    for name, kinds in found.windows.items():
        whole = kinds["month"]
        impressions, clicks = whole.impressions.sum(axis=0), whole.clicks.sum(axis=0)
        shown = np.where(np.isnan(whole.run_ctr), -np.inf, whole.run_ctr).argmax(axis=1)
        curve = whole.regret
        rows.append(
            {
                "strategy": name,
                "sessions": found.sessions,
                "runs": found.simulation.plan.runs,
                "ctr": float(clicks.sum() / impressions.sum()),
                "share": dict(zip(world.arms, (impressions / impressions.sum()).tolist(), strict=True)),
                "arm_ctr": dict(zip(world.arms, _ratio(clicks, impressions).tolist(), strict=True)),
                "regret": float(curve.cumulative[-1]),
                "regret_lower": float(curve.cumulative_lower[-1]),
                "regret_upper": float(curve.cumulative_upper[-1]),
                "found_best": int(np.count_nonzero(world.means[shown] == world.means.max())),
            }
        )
    return rows


def document(found: Results) -> dict[str, Any]:
    """What ``--json`` prints, and ``summary.json`` holds."""
    world = found.simulation.world
    least = found.least
    return {
        "simulation": found.simulation.id,
        "about": found.simulation.about,
        "sessions": found.sessions,
        "true_ctr": dict(zip(world.arms, world.means.tolist(), strict=True)),
        "best_arm": world.arms[world.best_arm] if found.differ else None,
        "strategies": [json_document(row) for row in strategy_rows(found)],
        "least_regret": json_document(least._asdict()) if found.differ else None,
        "sentence": found.sentence(),
        "ab_test": None if found.ab is None else _ab_document(found.ab),
    }


def _ab_document(ab: ABTest) -> dict[str, Any]:
    return {
        "decision": ab.verdict.kind,
        "reason": ab.verdict.reason,
        "variant": ab.verdict.variant,
        "sentence": ab.sentence,
        "comparisons": [
            json_document(
                {
                    "metric": one.metric.name,
                    "variant": one.variant,
                    "control": one.control,
                    **one.comparison._asdict(),
                    "pvalue_adjusted": one.pvalue_adjusted,
                }
            )
            for one in ab.analysis.findings
        ],
        "srm": {**json_document({"pvalue": ab.analysis.srm.pvalue}), "alarm": ab.analysis.srm_alarm},
    }


def write_snapshots(found: Results) -> None:
    """The local store: ``snapshots/{interval,day,week,month}.parquet`` and ``summary.json``.

    Raises:
        EventLogError: They cannot be written.
    """
    import pyarrow as pa

    folder = found.simulation.folder
    for kind in WINDOWS:
        parts = [pa.table(snapshot_columns(found, name, kind)) for name in found.windows]
        write_parquet(pa.concat_tables(parts), folder / "snapshots" / f"{kind}.parquet")
    write_whole(folder / "summary.json", json.dumps(document(found), indent=2, ensure_ascii=False) + "\n")


def snapshot_columns(found: Results, strategy: str, kind: Window) -> dict[str, Any]:
    """One strategy's windows of one kind, a row per window and arm; regret is the strategy's, the same in each row."""
    import pyarrow as pa

    windows, arms = found.windows[strategy][kind], found.simulation.world.arms
    m, k = windows.impressions.shape
    curve = windows.regret
    of_strategy = {
        "sessions": windows.impressions.sum(axis=1),
        "regret": curve.interval,
        "regret_lower": curve.interval_lower,
        "regret_upper": curve.interval_upper,
        "cumulative_regret": curve.cumulative,
        "cumulative_lower": curve.cumulative_lower,
        "cumulative_upper": curve.cumulative_upper,
    }
    return {
        "strategy": [strategy] * (m * k),
        "start": pa.array(np.repeat(windows.starts * 1_000_000, k)).cast(pa.timestamp("us")),
        "variant": list(arms) * m,
        "impressions": windows.impressions.ravel().astype(np.int64),
        "clicks": windows.clicks.ravel(),
        "ctr": windows.ctr.ravel(),
        "share": windows.share.ravel(),
        "propensity": windows.propensity.ravel(),
        **{name: np.repeat(values, k) for name, values in of_strategy.items()},
    }


def day_name(second: int) -> str:
    """The date of a moment.

    >>> day_name(86_400)
    '1970-01-02'
    """
    return datetime.fromtimestamp(second, UTC).date().isoformat()


def _ratio(top: Any, bottom: Any) -> Any:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
