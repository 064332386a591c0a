"""What was asked of ``screentest analyze``, made into a question and a plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.analyze_options import Adjust, Correction, Every, Lang, Method
from core.errors import ConfigError

if TYPE_CHECKING:
    from experiments.analysis import AnalysisPlan
    from serving.analysis.question import Question


@dataclass(frozen=True)
class Request:
    """Every option by its name, as it was written; ``cli.analyze_options`` says what each is."""

    file: Path
    unit: str
    variant: str
    control: str
    metric: list[str]
    test: list[str]
    resamples: int | None
    seed: int | None
    covariate: str
    adjust: Adjust | None
    stratify: str
    segment: str
    session: str
    time: str
    every: Every | None
    utc_offset: int | None
    earlier: str
    session_gap: float | None
    method: Method
    lower_is_better: list[str]
    guardrail: list[str]
    non_inferiority: list[str]
    alpha: float
    correction: Correction
    n_star: float | None
    look: str
    loss: float | None
    prior_sd: float
    weights: str
    lang: Lang
    json: bool
    out: Path | None
    html: Path | None

    def question(self) -> Question:
        """What is asked of the file.

        Raises:
            ConfigError: An option is not allowed, or not without another.
        """
        from events.sessions import SESSION
        from experiments.inference.fixed_tests import N_RESAMPLES
        from serving.analysis.question import Question

        self._check_company()
        return Question(
            unit=self.unit,
            variant=self.variant,
            metrics=tuple(self.metric),
            segment=self.segment or None,
            guardrails=tuple(self.guardrail),
            covariate=self.covariate,
            lower_is_better=tuple(self.lower_is_better),
            margins=tuple(self.non_inferiority),
            stratify=self.stratify,
            adjust=(self.adjust or Adjust.cuped).value,
            tests=tuple(self.test),
            n_resamples=N_RESAMPLES if self.resamples is None else self.resamples,
            seed=self.seed or 0,
            time=self.time,
            every=None if self.every is None else self.every.value,
            utc_offset=self.utc_offset or 0,
            earlier=self.earlier,
            session=self.session if self.session_gap is None else SESSION,
            idle_gap=0.0 if self.session_gap is None else 60 * self.session_gap,
        )

    def plan(self) -> AnalysisPlan:
        """What was decided before the data were seen.

        Raises:
            ConfigError: An option is not allowed, or not with this method.
        """
        from experiments.analysis import LOSS_THRESHOLD, N_STAR, AnalysisPlan
        from experiments.bayes.bayesian_lift import FLAT, NormalPrior

        for option, given, belongs in (
            ("look", bool(self.look), Method.group),
            ("n-star", self.n_star is not None, Method.sequential),
            ("loss", self.loss is not None, Method.bayesian),
        ):
            if given and self.method is not belongs:
                raise ConfigError(
                    f"--{option} belongs to --method {belongs.value}, not to {self.method.value}; leave it out"
                )
        look, looks = _look(self.look or "1/1")
        return AnalysisPlan(
            control=self.control,
            method=self.method.value,
            alpha=self.alpha,
            correction=self.correction.value,
            n_star=N_STAR if self.n_star is None else self.n_star,
            look=look,
            looks=looks,
            prior=NormalPrior(0.0, self.prior_sd) if self.prior_sd else FLAT,
            loss_threshold=LOSS_THRESHOLD if self.loss is None else self.loss,
            weights=_weights(self.weights),
        )

    def _check_company(self) -> None:
        """Refuse options that say nothing without another."""
        if self.adjust is not None and not self.covariate:
            raise ConfigError(f"--adjust {self.adjust.value} belongs to --covariate; name one, or leave --adjust out")
        draws = any(name.endswith("bootstrap") for name in self.test)
        if (self.resamples is not None or self.seed is not None) and not draws:
            raise ConfigError("--resamples and --seed belong to --test bootstrap; leave them out")
        if self.session_gap is not None and (self.session or not self.time or not self.session_gap):
            raise ConfigError(
                f"session-gap == {self.session_gap:g}, must be minutes above 0 and go with --time and without --session"
            )
        if (self.every is not None or self.utc_offset is not None) and not self.time:
            raise ConfigError("--every and --utc-offset belong to --time; name its column, or leave them out")


def _look(text: str) -> tuple[int, int]:
    this, slash, looks = text.partition("/")
    if not (slash and this.isdigit() and looks.isdigit()):
        raise ConfigError(f"look == {text!r}, must be LOOK/LOOKS, e.g. 2/5")
    return int(this), int(looks)


def _weights(text: str) -> dict[str, float] | None:
    found: dict[str, float] = {}
    given: list[str] = []
    for part in filter(None, text.split(",")):
        name, equals, weight = part.rpartition("=")
        try:
            found[name] = float(weight)
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"weights == {text!r}, must be VARIANT=NUMBER,…, e.g. control=50,b=50")
        if name in given:
            raise ConfigError(f"weights == {text!r} names {name!r} twice")
        given.append(name)
    return found or None
