"""What is asked of a file of anyone's experiment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.errors import ConfigError
from events.unit_aggregate import Reduction
from experiments.inference.fixed_tests import N_RESAMPLES, TESTS, ChosenTest, Test, check_test
from experiments.inference.variance_reduction import Adjustment
from experiments.metrics import Metric, MetricKind, parse_metric
from experiments.over_time.periods import Period


@dataclass(frozen=True)
class Question:
    """What is asked of a file.

    Attributes:
        unit: Column of what was randomised.
        variant: Column of what it got.
        metrics: As written, the first decides.
        segment: Column to compare within; None: there is none.
        guardrails: As written, of the metrics that must not get worse.
        covariate: As written; empty: none.
        lower_is_better: As written, of the metrics that should fall.
        margins: ``SHARE`` for every guardrail, or ``METRIC=SHARE``, the metric as written, for one: what may be lost of
            the control's value.
        stratify: Column of strata known before the experiment; empty: none.
        adjust: How the covariate is taken out.
        tests: ``TEST`` for every metric, or ``METRIC=TEST``, the metric as written, for one.
        n_resamples: Of a bootstrap.
        seed: Of a bootstrap.
        time: Column of times; empty: nothing is read over time.
        every: Periods to read it by; None: by how long it ran.
        utc_offset: Minutes that the clock of days is ahead of UTC.
        earlier: Column of what units had in an earlier experiment; empty: none.
        session: Column of sessions: as a metric or a denominator its different values are counted; empty: none.
        idle_gap: Seconds of idleness that end a session, where the file has no such column; 0: it has.
    """

    unit: str
    variant: str
    metrics: tuple[str, ...]
    segment: str | None = None
    guardrails: tuple[str, ...] = ()
    covariate: str = ""
    lower_is_better: tuple[str, ...] = ()
    margins: tuple[str, ...] = ()
    stratify: str = ""
    adjust: Adjustment = "cuped"
    tests: tuple[str, ...] = ()
    n_resamples: int = N_RESAMPLES
    seed: int = 0
    session: str = ""
    idle_gap: float = 0.0
    time: str = ""
    every: Period | None = None
    utc_offset: int = 0
    earlier: str = ""

    def __post_init__(self) -> None:
        for option, named in (("lower-is-better", self.lower_is_better), ("guardrail", self.guardrails)):
            for text in named:
                if text not in self.metrics:
                    raise ConfigError(f"{option} names {text!r}, must be one of the metrics: {', '.join(self.metrics)}")
        if len(set(self.metrics)) < len(self.metrics):
            raise ConfigError(f"metrics == {', '.join(self.metrics)}; each must be named once")
        if self.margins and not self.guardrails:
            raise ConfigError(
                "non-inferiority is of guardrails; name one by --guardrail, or leave --non-inferiority out"
            )
        for place, text in enumerate(self.metrics):
            self.margin_of(place)
            chosen = self.test_of(place)
            if not chosen.adjustable and (self.covariate or self.stratify):
                option = "--covariate" if self.covariate else "--stratify"
                raise ConfigError(
                    f"test == {chosen.test!r} of metric {text!r} takes no {option}; take 'welch' or 'z', or leave "
                    f"{option} out"
                )

    def test_of(self, place: int) -> ChosenTest:
        """The test of the metric at a place; one that names it goes before one for every metric.

        Raises:
            ConfigError: There is no such test or metric, or two tests are given for the same.
        """
        found: dict[str, Test] = {}
        for text in self.tests:
            metric, equals, name = text.rpartition("=")
            test = next((test for test in TESTS if test == name), None)
            if test is None:
                raise ConfigError(f"test == {text!r}, must be one of {', '.join(TESTS)}, or METRIC=TEST for one metric")
            if equals and metric not in self.metrics:
                raise ConfigError(f"test names {metric!r}, must be one of the metrics: {', '.join(self.metrics)}")
            if metric in found:
                raise ConfigError(f"test is given twice for {metric or 'every metric'}: {found[metric]}, {name}")
            found[metric] = test
        chosen = found.get(self.metrics[place], found.get("", "auto"))
        return ChosenTest(chosen, self.n_resamples, self.seed)

    def margin_of(self, place: int) -> float | None:
        """Share of the control's value that the metric at a place may lose; None where nothing was said of it.

        Raises:
            ConfigError: A margin is not allowed, is of no guardrail, or two are given for the same.
        """
        found: dict[str, float] = {}
        for text in self.margins:
            metric, equals, written = text.rpartition("=")
            try:
                share = float(written)
            except ValueError:
                share = 0.0
            if not 0 < share < 1:
                raise ConfigError(f"non-inferiority == {text!r}, must be above 0 and below 1, e.g. .02, or METRIC=.02")
            if equals and metric not in self.guardrails:
                raise ConfigError(
                    f"non-inferiority names {metric!r}, must be one of the guardrails: {', '.join(self.guardrails)}"
                )
            if metric in found:
                raise ConfigError(f"non-inferiority is given twice for {metric or 'every guardrail'}")
            found[metric] = share
        if not self.is_guardrail(place):
            return None
        return found.get(self.metrics[place], found.get(""))

    def named_columns(self) -> set[str]:
        """Columns of names, as against numbers."""
        return {name for name in (self.unit, self.variant, self.segment, self.stratify, self.earlier) if name}

    def is_guardrail(self, place: int) -> bool:
        """Whether the metric at a place must not get worse."""
        return self.metrics[place] in self.guardrails

    def reduction(self, column: str) -> Reduction:
        """How a unit's rows of a metric's column become one number."""
        return "distinct" if column and column == self.session else "sum"

    def parsed(self, shares: Iterable[str] | None = None) -> list[Metric]:
        """The metrics.

        Args:
            shares: Columns whose metrics are proportions where no kind is written; None: not known yet, so that tests
                are not held against the metrics.

        Raises:
            ConfigError: A metric is not written as it should be, or its test is not of its kind.
        """
        known = frozenset(shares or ())
        metrics = [self._parsed(text, "proportion" if text in known else "mean") for text in self.metrics]
        names = [metric.name for metric in metrics]
        # Two metrics of one column are told apart as they were written.
        metrics = [
            metric if names.count(metric.name) == 1 else replace(metric, name=text)
            for metric, text in zip(metrics, self.metrics, strict=True)
        ]
        for place, metric in enumerate(metrics):
            if shares is not None:
                check_test(metric, self.test_of(place))
            if metric.column == self.session and metric.kind != "mean":
                raise ConfigError(
                    f"metric {self.metrics[place]!r} is a {metric.kind} of sessions; write {self.session} for sessions "
                    f"per unit, or COLUMN/{self.session}:ratio for what a session brings"
                )
        return metrics

    def _parsed(self, text: str, default: MetricKind) -> Metric:
        falls = text in self.lower_is_better
        plain = parse_metric(text, lower_is_better=falls, default=default)
        if not self.covariate or plain.kind == "quantile":
            # A quantile has no covariate: the notes say so.
            return plain
        return parse_metric(text, covariate=self.covariate, lower_is_better=falls, default=default)
