"""``screentest analyze``: anyone's experiment from a file, with a verdict that does not fool its reader."""

from __future__ import annotations

import json as json_format
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.output_file import write_output
from core.errors import ConfigError

_AS_JSON = {"en": "as JSON", "ko": "JSON 파일"}


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


class Lang(StrEnum):
    """Of the sentences."""

    en = "en"
    ko = "ko"


def analyze(
    file: Annotated[
        Path, typer.Argument(help="A CSV or Parquet file, or a folder of Parquet: a row per event or unit.")
    ],
    unit: Annotated[str, typer.Option(help="Column of what was randomised, e.g. user_id.")],
    variant: Annotated[str, typer.Option(help="Column of what the unit got.")],
    control: Annotated[str, typer.Option(help="The variant that the others are compared with.")],
    metric: Annotated[
        list[str],
        typer.Option(
            help="COLUMN[:mean|proportion|ratio|quantile[:LEVEL]], a ratio also as A/B:ratio. The first decides."
        ),
    ],
    covariate: Annotated[
        str, typer.Option(help="Column known before the experiment: takes variance away (CUPED). A/B for a ratio.")
    ] = "",
    segment: Annotated[str, typer.Option(help="Column to compare within, corrected for the number of segments.")] = "",
    method: Annotated[
        Method,
        typer.Option(
            help="fixed: one look, planned; sequential: as often as you like; group: a planned number of looks."
        ),
    ] = Method.fixed,
    lower_is_better: Annotated[list[str], typer.Option(help="A metric, as written above, that should fall.")] = [],  # noqa: B006
    guardrail: Annotated[list[str], typer.Option(help="A metric, as written above, that must not get worse.")] = [],  # noqa: B006
    alpha: Annotated[float, typer.Option(help="Error of the whole analysis.")] = 0.05,
    correction: Annotated[Correction, typer.Option(help="For several metrics and variants.")] = Correction.holm,
    n_star: Annotated[
        float | None,
        typer.Option(
            help="sequential: units of two arms at which it is tightest, chosen before the first look.",
            show_default="5000",
        ),
    ] = None,
    look: Annotated[
        str, typer.Option(help="group: which look of how many this is, e.g. 2/5.", show_default="1/1")
    ] = "",
    loss: Annotated[
        float | None,
        typer.Option(
            help="bayesian: relative loss that you do not mind on average; .001 is .1 %.", show_default="0.001"
        ),
    ] = None,
    prior_sd: Annotated[
        float, typer.Option(help="Standard deviation of relative lifts you expect; 0: flat prior.", min=0)
    ] = 0.0,
    weights: Annotated[str, typer.Option(help="Intended split, e.g. control=50,b=25,c=25; even if not given.")] = "",
    lang: Annotated[Lang, typer.Option(help="Language of the sentences.")] = Lang.en,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the JSON to this file too.")] = None,
) -> None:
    """Analyse an experiment of yours: effects with honest intervals, sample ratio, segments, and what to do.

    A unit with rows in two variants is left out of both and told; so is a unit with a missing number in a metric, for
    that metric. A unit's rows are added up first, since units were randomised and rows were not.
    """
    from cli.experiment_analysis import analysed
    from cli.experiment_question import Question
    from cli.experiment_report import document
    from cli.experiment_tables import tell
    from experiments.analysis import LOSS_THRESHOLD, N_STAR, AnalysisPlan
    from experiments.bayes.bayesian_lift import FLAT, NormalPrior

    question = Question(
        unit=unit,
        variant=variant,
        metrics=tuple(metric),
        segment=segment or None,
        guardrails=tuple(guardrail),
        covariate=covariate,
        lower_is_better=tuple(lower_is_better),
    )
    for option, given, belongs in (
        ("look", bool(look), Method.group),
        ("n-star", n_star is not None, Method.sequential),
        ("loss", loss is not None, Method.bayesian),
    ):
        if given and method is not belongs:
            raise ConfigError(f"--{option} belongs to --method {belongs.value}, not to {method.value}; leave it out")
    this_look, looks = _look(look or "1/1")
    plan = AnalysisPlan(
        control=control,
        method=method.value,
        alpha=alpha,
        correction=correction.value,
        n_star=N_STAR if n_star is None else n_star,
        look=this_look,
        looks=looks,
        prior=NormalPrior(0.0, prior_sd) if prior_sd else FLAT,
        loss_threshold=LOSS_THRESHOLD if loss is None else loss,
        weights=_weights(weights),
    )
    found = analysed(file, question, plan)
    text = json_format.dumps(document(found), indent=2, ensure_ascii=False)
    if out is not None:
        write_output(out, text + "\n")
    if json:
        typer.echo(text)
        return
    tell(found, lang.value)
    if out is not None:
        typer.echo(f"{_AS_JSON[lang.value]}: {out}")


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
