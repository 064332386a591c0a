"""``screentest analyze``: anyone's experiment from a file, with a verdict that does not fool its reader."""

from __future__ import annotations

import json as json_format

import typer

from cli import analyze_options as given
from cli.analyze_options import Lang as Lang
from cli.analyze_request import Request
from cli.output_file import write_output
from experiments.figures import Language

_AS_JSON = {"en": "as JSON", "ko": "JSON 파일"}
_AS_PAGE = {"en": "as a page", "ko": "페이지"}


def analyze(
    file: given.File,
    unit: given.Unit,
    variant: given.Variant,
    control: given.Control,
    metric: given.Metrics,
    test: given.Tests = [],  # noqa: B006
    resamples: given.Resamples = None,
    seed: given.Seed = None,
    covariate: given.Covariate = "",
    adjust: given.AdjustBy = None,
    stratify: given.Stratify = "",
    segment: given.Segment = "",
    session: given.Session = "",
    time: given.Time = "",
    every: given.EveryOption = None,
    utc_offset: given.UtcOffset = None,
    earlier: given.Earlier = "",
    session_gap: given.SessionGap = None,
    method: given.MethodOption = given.Method.fixed,
    lower_is_better: given.LowerIsBetter = [],  # noqa: B006
    guardrail: given.Guardrail = [],  # noqa: B006
    non_inferiority: given.NonInferiority = [],  # noqa: B006
    alpha: given.Alpha = 0.05,
    correction: given.CorrectionOption = given.Correction.holm,
    n_star: given.NStar = None,
    look: given.Look = "",
    loss: given.Loss = None,
    prior_sd: given.PriorSd = 0.0,
    weights: given.Weights = "",
    lang: given.Language = given.Lang.en,
    json: given.AsJson = False,
    out: given.Out = None,
    html: given.Html = None,
) -> None:
    """Analyse an experiment of yours: effects with honest intervals, sample ratio, segments, and what to do.

    A unit with rows in two variants is left out of both and told; so is a unit with a missing number in a metric, for
    that metric. A unit's rows are added up first, since units were randomised and rows were not.
    """
    _answer(Request(**locals()))


def _answer(asked: Request) -> None:
    from cli.analysis_page import analysis_html
    from cli.experiment_tables import tell
    from serving.analysis.analysed import analysed
    from serving.analysis.report import document

    language: Language = "ko" if asked.lang is Lang.ko else "en"
    found = analysed(asked.file, asked.question(), asked.plan())
    text = json_format.dumps(document(found), indent=2, ensure_ascii=False)
    if asked.out is not None:
        write_output(asked.out, text + "\n")
    if asked.html is not None:
        write_output(asked.html, analysis_html(found, language))
    if asked.json:
        typer.echo(text)
        return
    tell(found, language)
    for target, words in ((asked.out, _AS_JSON), (asked.html, _AS_PAGE)):
        if target is not None:
            typer.echo(f"{words[language]}: {target}")
