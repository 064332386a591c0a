"""``screentest analyze``: anyone's experiment from a file, with a verdict that does not fool its reader."""

from __future__ import annotations

import json as json_format

import typer

from cli import analyze_options as given
from cli.analyze_options import Lang as Lang
from cli.output_file import write_output
from core.errors import ConfigError

_AS_JSON = {"en": "as JSON", "ko": "JSON 파일"}


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
    method: given.MethodOption = given.Method.fixed,
    lower_is_better: given.LowerIsBetter = [],  # noqa: B006
    guardrail: given.Guardrail = [],  # noqa: B006
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
) -> None:
    """Analyse an experiment of yours: effects with honest intervals, sample ratio, segments, and what to do.

    A unit with rows in two variants is left out of both and told; so is a unit with a missing number in a metric, for
    that metric. A unit's rows are added up first, since units were randomised and rows were not.
    """
    from cli.experiment_analysis import analysed
    from cli.experiment_question import Question
    from cli.experiment_report import document
    from cli.experiment_tables import tell
    from experiments.inference.fixed_tests import N_RESAMPLES

    if adjust is not None and not covariate:
        raise ConfigError(f"--adjust {adjust.value} belongs to --covariate; name one, or leave --adjust out")
    if (resamples is not None or seed is not None) and not any(name.endswith("bootstrap") for name in test):
        raise ConfigError("--resamples and --seed belong to --test bootstrap; leave them out")
    question = Question(
        unit=unit,
        variant=variant,
        metrics=tuple(metric),
        segment=segment or None,
        guardrails=tuple(guardrail),
        covariate=covariate,
        lower_is_better=tuple(lower_is_better),
        stratify=stratify,
        adjust=(adjust or given.Adjust.cuped).value,
        tests=tuple(test),
        n_resamples=N_RESAMPLES if resamples is None else resamples,
        seed=seed or 0,
        session=session,
    )
    options = given.PlanOptions(control, method, alpha, correction, n_star, look, loss, prior_sd, weights)
    found = analysed(file, question, options.plan())
    text = json_format.dumps(document(found), indent=2, ensure_ascii=False)
    if out is not None:
        write_output(out, text + "\n")
    if json:
        typer.echo(text)
        return
    tell(found, lang.value)
    if out is not None:
        typer.echo(f"{_AS_JSON[lang.value]}: {out}")
