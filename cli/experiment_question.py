"""What is asked of a file of anyone's experiment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.errors import ConfigError
from experiments.metrics import Metric, MetricKind, parse_metric


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
    """

    unit: str
    variant: str
    metrics: tuple[str, ...]
    segment: str | None = None
    guardrails: tuple[str, ...] = ()
    covariate: str = ""
    lower_is_better: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option, named in (("lower-is-better", self.lower_is_better), ("guardrail", self.guardrails)):
            for text in named:
                if text not in self.metrics:
                    raise ConfigError(f"{option} names {text!r}, must be one of the metrics: {', '.join(self.metrics)}")
        if len(set(self.metrics)) < len(self.metrics):
            raise ConfigError(f"metrics == {', '.join(self.metrics)}; each must be named once")

    def parsed(self, shares: Iterable[str] = ()) -> list[Metric]:
        """The metrics.

        Args:
            shares: Columns whose metrics are proportions where no kind is written.
        """
        known = frozenset(shares)
        metrics = [self._parsed(text, "proportion" if text in known else "mean") for text in self.metrics]
        names = [metric.name for metric in metrics]
        # Two metrics of one column are told apart as they were written.
        return [
            metric if names.count(metric.name) == 1 else replace(metric, name=text)
            for metric, text in zip(metrics, self.metrics, strict=True)
        ]

    def _parsed(self, text: str, default: MetricKind) -> Metric:
        falls = text in self.lower_is_better
        plain = parse_metric(text, lower_is_better=falls, default=default)
        if not self.covariate or plain.kind == "quantile":
            # A quantile has no covariate: the notes say so.
            return plain
        return parse_metric(text, covariate=self.covariate, lower_is_better=falls, default=default)
