"""The options of ``screentest analyze``: what each is called, what it says of itself, and the plan they make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import ConfigError

if TYPE_CHECKING:
    from experiments.analysis import AnalysisPlan


class Method(StrEnum):
    """How the figures are to be read."""

    fixed = "fixed"
    sequential = "sequential"
    group = "group"
    bayesian = "bayesian"


class Correction(StrEnum):
    """For several metrics and variants."""

    holm = "holm"
    bonferroni = "bonferroni"
    bh = "bh"
    none = "none"


class Adjust(StrEnum):
    """How a covariate is taken out."""

    cuped = "cuped"
    lin = "lin"


class Lang(StrEnum):
    """Of the sentences."""

    en = "en"
    ko = "ko"


File = Annotated[Path, typer.Argument(help="A CSV or Parquet file, or a folder of Parquet: a row per event or unit.")]
Unit = Annotated[str, typer.Option(help="Column of what was randomised, e.g. user_id.")]
Variant = Annotated[str, typer.Option(help="Column of what the unit got.")]
Control = Annotated[str, typer.Option(help="The variant that the others are compared with.")]
Metrics = Annotated[
    list[str],
    typer.Option(help="COLUMN[:mean|proportion|ratio|quantile[:LEVEL]], a ratio also as A/B:ratio. The first decides."),
]
Tests = Annotated[
    list[str],
    typer.Option(
        help="fixed: auto, welch, z, chi-squared, fisher, mann-whitney, brunner-munzel or bootstrap; METRIC=TEST for "
        "one metric, as written above.",
        show_default="auto",
    ),
]
Resamples = Annotated[int | None, typer.Option(help="bootstrap: resamples, 100 or more.", show_default="2000")]
Seed = Annotated[int | None, typer.Option(help="bootstrap: the same seed, the same figures.", show_default="0", min=0)]
Covariate = Annotated[
    str, typer.Option(help="Column known before the experiment: takes variance away. A/B for a ratio.")
]
AdjustBy = Annotated[
    Adjust | None,
    typer.Option(
        help="covariate: cuped, one slope for all; lin, least squares within each variant.", show_default="cuped"
    ),
]
Stratify = Annotated[
    str, typer.Option(help="Column of groups known before the experiment: compared within them, then put together.")
]
Segment = Annotated[str, typer.Option(help="Column to compare within, corrected for the number of segments.")]
Session = Annotated[
    str, typer.Option(help="Column of sessions; as a metric or a denominator (A/SESSION:ratio) they are counted.")
]
MethodOption = Annotated[
    Method,
    typer.Option(help="fixed: one look, planned; sequential: as often as you like; group: a planned number of looks."),
]
LowerIsBetter = Annotated[list[str], typer.Option(help="A metric, as written above, that should fall.")]
Guardrail = Annotated[list[str], typer.Option(help="A metric, as written above, that must not get worse.")]
Alpha = Annotated[float, typer.Option(help="Error of the whole analysis.")]
CorrectionOption = Annotated[Correction, typer.Option(help="For several metrics and variants.")]
NStar = Annotated[
    float | None,
    typer.Option(
        help="sequential: units of two arms at which it is tightest, chosen before the first look.", show_default="5000"
    ),
]
Look = Annotated[str, typer.Option(help="group: which look of how many this is, e.g. 2/5.", show_default="1/1")]
Loss = Annotated[
    float | None,
    typer.Option(help="bayesian: relative loss that you do not mind on average; .001 is .1 %.", show_default="0.001"),
]
PriorSd = Annotated[float, typer.Option(help="Standard deviation of relative lifts you expect; 0: flat prior.", min=0)]
Weights = Annotated[str, typer.Option(help="Intended split, e.g. control=50,b=25,c=25; even if not given.")]
Language = Annotated[Lang, typer.Option(help="Language of the sentences.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Out = Annotated[Path | None, typer.Option(help="Write the JSON to this file too.")]


@dataclass(frozen=True)
class PlanOptions:
    """What was decided before the data were seen, as it was written.

    Attributes:
        control: The variant that the others are compared with.
        method: How the figures are to be read.
        alpha: Error of the whole analysis.
        correction: For several metrics and variants.
        n_star: For ``sequential``; None: not given.
        look: For ``group``, LOOK/LOOKS; empty: not given.
        loss: For ``bayesian``; None: not given.
        prior_sd: 0 for a flat prior.
        weights: VARIANT=NUMBER,…; empty: even.
    """

    control: str
    method: Method
    alpha: float
    correction: Correction
    n_star: float | None
    look: str
    loss: float | None
    prior_sd: float
    weights: str

    def plan(self) -> AnalysisPlan:
        """The plan they make.

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
