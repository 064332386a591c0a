"""The options of ``screentest analyze``: what each is called, and what it says of itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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


class Every(StrEnum):
    """Of the readings over time."""

    day = "day"
    week = "week"
    month = "month"


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
Time = Annotated[
    str,
    typer.Option(help="Column of times (seconds since 1970, dates, ISO 8601): readings over time, odd days, shifts."),
]
EveryOption = Annotated[
    Every | None, typer.Option(help="time: by day, week or month.", show_default="by how long it ran")
]
UtcOffset = Annotated[
    int | None,
    typer.Option(help="time: minutes that days are ahead of UTC, 540 for Seoul.", show_default="0", min=-720, max=840),
]
Earlier = Annotated[
    str, typer.Option(help="Column of what units had in an earlier experiment: does it still show in this one?")
]
Html = Annotated[Path | None, typer.Option(help="Write a page with charts to this file.")]
SessionGap = Annotated[
    float | None,
    typer.Option(
        help="time: minutes of idleness that end a session, e.g. 30, where the file names none; the column made is "
        "called session.",
        min=0,
    ),
]
MethodOption = Annotated[
    Method,
    typer.Option(help="fixed: one look, planned; sequential: as often as you like; group: a planned number of looks."),
]
LowerIsBetter = Annotated[list[str], typer.Option(help="A metric, as written above, that should fall.")]
Guardrail = Annotated[list[str], typer.Option(help="A metric, as written above, that must not get worse.")]
NonInferiority = Annotated[
    list[str],
    typer.Option(
        help="Share of the control's value that guardrails may lose, e.g. .02; METRIC=.02 for one. To be promoted a "
        "variant must be shown to lose less."
    ),
]
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
