"""``screentest decide``: what a spec and an event log come to, now or at every look there was."""

from __future__ import annotations

import json as json_format
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.analyze import Lang
from cli.decide_variants import decide_variants
from cli.event_log import event_log, is_event_log, log_label
from cli.spec_file import read_spec
from core.errors import ConfigError, RolloutError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from experiments.result import LookResult
    from experiments.spec import ExperimentSpec
    from serving.replay import ReplayedLook


def decide(
    spec: Annotated[
        str,
        typer.Argument(help="The experiment spec (YAML or JSON), or a run's folder or database URL, which hold it."),
    ],
    events: Annotated[
        str | None,
        typer.Argument(
            help="The event log: a run's folder, its events.db or a database URL; by default the spec's folder."
        ),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Decide every recorded look again and compare, bit by bit.")
    ] = False,
    look: Annotated[int, typer.Option(min=1, help="A/B/n test, method group: which of its looks this is.")] = 1,
    as_of: Annotated[
        int | None, typer.Option(min=0, help="Decide on the log as it was after so many commits.", show_default="all")
    ] = None,
    lang: Annotated[Lang, typer.Option(help="A/B/n test: language of the sentences.")] = Lang.en,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Decide from a spec and its events alone; with --replay, prove that a rollout's past decisions come out again.

    A look is taken again on the log as it was then: what came in later, late clicks too, is left out. Of an A/B/n test
    the sessions that its fixed split dealt are analysed.

    Nothing is written and no server is asked. Exit code 1 where a look does not come out as it was recorded.
    """
    with event_log(events or spec) as engine:
        chosen = _spec(spec, engine)
        if chosen.traffic.policy != "rollout":
            if replay:
                raise ConfigError(
                    f"{chosen.name} is no rollout, its looks are not recorded: --as-of COMMITS decides again on the "
                    "log as it was, and each decision says its number of commits"
                )
            decide_variants(engine, chosen, look=look, as_of=as_of, language=lang.value, json=json)
        elif replay:
            _replay(engine, chosen, json=json)
        else:
            _decide_now(engine, chosen, as_of=as_of, json=json)


def _spec(given: str, engine: Engine) -> ExperimentSpec:
    from events.rollouts import list_rollouts
    from experiments.spec import parse_spec

    if Path(given).is_dir() or is_event_log(given):
        path = log_label(given)
        rollouts = list_rollouts(engine)
        if not rollouts:
            raise RolloutError(f"{path} holds no rollout; name the experiment spec's file first")
        if len(rollouts) > 1:
            others = ", ".join(record.experiment for record in rollouts[1:])
            typer.echo(
                f"{path} holds {len(rollouts)} rollouts; this is {rollouts[0].experiment}, the newest. Others, by "
                f"their spec's file: {others}",
                err=True,
            )
        return parse_spec(rollouts[0].spec)
    return read_spec(Path(given))


def _decide_now(engine: Engine, spec: ExperimentSpec, *, as_of: int | None, json: bool) -> None:
    from events.aggregate import count_exposures
    from experiments.words import short_reason
    from serving.looks import take_look

    sessions = step = 0
    for place, _ in enumerate(spec.rollout.steps):
        seen = count_exposures(engine, spec.name, step=place, as_of=as_of)
        sessions, step = sessions + seen, place if seen else step
    if not sessions:
        raise RolloutError(f"no session of {spec.name!r} is recorded in this event log")
    _, look = take_look(engine, spec, number=1, step_index=step, sessions=sessions, as_of=as_of)
    if json:
        typer.echo(json_format.dumps(_document(look), indent=2))
        return
    for language in ("en", "ko"):
        reasons = "; ".join(short_reason(language, code) for code in look.reasons)
        typer.echo(f"{look.decision}: {reasons}")
    Console(highlight=False).print(_table([look]))


def _replay(engine: Engine, spec: ExperimentSpec, *, json: bool) -> None:
    from serving.replay import replay

    found = replay(engine, spec)
    wrong = [one for one in found if one.differing]
    if json:
        typer.echo(json_format.dumps([_replayed_document(one) for one in found], indent=2))
    else:
        Console(highlight=False).print(_table([one.replayed for one in found], found))
    if wrong:
        first = wrong[0]
        raise RolloutError(
            f"{len(wrong)} of {len(found)} looks do not come out as recorded; look {first.recorded.look} differs in "
            f"{', '.join(first.differing)}: the log was changed, or this version decides otherwise"
        )
    if not json:
        typer.echo(f"every look comes out as recorded, to the last bit: {len(found)} in all")


def _table(looks: list[LookResult], replayed: tuple[ReplayedLook, ...] = ()) -> Table:
    from experiments.figures import MISSING, count, interval, points, pvalue, share

    table = Table(box=None, pad_edge=False)
    for name in ("look", "step", "sessions", "difference", "interval", "p", "decision"):
        table.add_column(name, justify="left" if name == "decision" else "right")
    if replayed:
        table.add_column("as recorded")
    for place, look in enumerate(looks):
        same = [] if not replayed else ["yes" if not replayed[place].differing else "NO"]
        table.add_row(
            str(look.look),
            share(look.step_percent / 100, "en"),
            count(look.sessions),
            points(look.effect_size, "en"),
            interval(look.ci_lower, look.ci_upper, "en") if isfinite(look.ci_lower) else MISSING,
            pvalue(look.pvalue),
            look.decision,
            *same,
        )
    return table


def _document(look: LookResult) -> dict[str, Any]:
    from serving.result_documents import look_document

    return look_document(look)


def _replayed_document(one: ReplayedLook) -> dict[str, Any]:
    return {
        "look": one.recorded.look,
        "same": not one.differing,
        "differing": list(one.differing),
        "recorded": _document(one.recorded),
        "replayed": _document(one.replayed),
    }
