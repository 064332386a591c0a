"""``screentest ope``: what another policy would have earned, from anyone's logged decisions."""

from __future__ import annotations

import json as json_format
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.event_log import is_event_log
from cli.output_file import write_output

if TYPE_CHECKING:
    from cli.off_policy_evaluation import Evaluation
    from experiments.figures import Language


class Lang(StrEnum):
    """Of the sentences."""

    en = "en"
    ko = "ko"


def ope(
    log: Annotated[
        str,
        typer.Argument(
            help="A CSV or Parquet file, or a folder of Parquet, a decision a row; or a rollout's log: a run's folder "
            "or a database URL."
        ),
    ],
    policy: Annotated[
        list[str],
        typer.Option(
            help="[NAME:]always=ACTION, [NAME:]uniform, [NAME:]columns=P_A,P_B,… (its probability of each action, "
            "actions sorted by name) or [NAME:]columns=ACTION:P,…"
        ),
    ],
    action: Annotated[str, typer.Option(help="Column of what was done.")] = "",
    reward: Annotated[str, typer.Option(help="Column of what came of it.")] = "",
    propensity: Annotated[str, typer.Option(help="Column of the chance with which it was done.")] = "",
    unit: Annotated[str, typer.Option(help="Column of whom the row belongs to; rows of one are not independent.")] = "",
    context: Annotated[str, typer.Option(help="Columns of numbers known before, by commas; for dm, dr and sndr.")] = "",
    estimator: Annotated[
        str, typer.Option(help="By commas, the first decides: snips, ips, dm, dr, sndr, replay; or all.")
    ] = "snips,ips,dm,dr",
    baseline: Annotated[
        str, typer.Option(help="What policies are held against: logging, the NAME of one, or another POLICY.")
    ] = "logging",
    alpha: Annotated[float, typer.Option(help="Each interval misses with this probability.")] = 0.05,
    clip: Annotated[float | None, typer.Option(help="Cut weights at this; less variance, some bias.")] = None,
    min_ess: Annotated[float, typer.Option(help="Effective sample size below which no interval is given.")] = 100.0,
    lang: Annotated[Lang, typer.Option(help="Language of the sentences.")] = Lang.en,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the JSON to this file too.")] = None,
    forecast: Annotated[
        Path | None, typer.Option(help="Write the uplift told to this file; `forecast check` judges it after a test.")
    ] = None,
) -> None:
    """Judge policies that never ran on what another one did: value, uplift and how much the log can say at all.

    Rows without an action, a propensity or a finite reward are left out and told.
    """
    from cli.off_policy_evaluation import document, evaluated, parse_question, prediction
    from cli.off_policy_log import Columns, check_columns, read_decisions, read_rollout

    question = parse_question(policy, baseline, estimator, alpha=alpha, clip=clip, min_ess=min_ess)
    check_columns(
        log,
        {"action": action, "reward": reward, "propensity": propensity, "unit": unit, "context": context},
        question.columns,
    )
    if is_event_log(log):
        decisions = read_rollout(log)
    else:
        known = tuple(dict.fromkeys(filter(None, context.split(","))))
        decisions = read_decisions(Path(log), Columns(action, reward, propensity, unit, known), question.columns)
    found = evaluated(decisions, question)
    if forecast is not None:
        write_output(forecast, json_format.dumps(prediction(found), indent=2, ensure_ascii=False) + "\n")
    text = json_format.dumps(document(found), indent=2, ensure_ascii=False)
    if out is not None:
        write_output(out, text + "\n")
    if json:
        typer.echo(text)
        return
    _tell(found, lang.value)
    for name, file in (("as JSON", out), ("the forecast", forecast)):
        if file is not None:
            typer.echo(f"{name}: {file}")


def _tell(found: Evaluation, language: Language) -> None:
    console = Console(highlight=False)
    for one in found.deciding:
        console.print(found.sentence(one, language), style="bold", soft_wrap=True, markup=False)
    console.print()
    console.print(_estimates(found, language))
    console.print()
    console.print(_diagnostics(found))
    for line in found.remarks(language):
        console.print(f"- {line}", soft_wrap=True, markup=False)


def _estimates(found: Evaluation, language: Language) -> Table:
    from experiments.metric_figures import effect_text, interval_text, value_text
    from experiments.off_policy.words import value_interval

    table = _table("policy", "by", numbers=("value", "interval", "uplift", "interval"))
    for one in found.judged:
        value, uplift = one.value, one.uplift
        table.add_row(
            escape(one.policy) if one.estimator == found.question.estimators[0] else "",
            one.estimator,
            value_text(found.reward, value.value, language),
            value_interval(found.reward, value.ci_lower, value.ci_upper, language) or "–",
            effect_text(found.reward, uplift.effect_size, language),
            interval_text(found.reward, uplift.ci_lower, uplift.ci_upper, language),
        )
    return table


def _diagnostics(found: Evaluation) -> Table:
    from experiments.figures import count, percent

    table = _table("policy", numbers=("rows", "effective", "largest weight", "mean weight", "matched"))
    for one in found.deciding:
        value = one.value
        table.add_row(
            escape(one.policy),
            count(value.n),
            count(round(value.ess)),
            f"{value.max_weight:.4g}",
            f"{value.mean_weight:.3f}",
            percent(value.matched, "en"),
        )
    return table


def _table(*names: str, numbers: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
