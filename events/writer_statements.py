"""The event log writer's statements, built once: building one costs more than running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import BindParameter, Connection, Dialect, and_, bindparam, literal_column, select
from sqlalchemy.types import NullType

from events.dialects import Insert, insert, named_parameters, positional_parameters
from events.schema import COMMITS, EXPOSURES, HEARTBEATS, OUTCOMES, SUPERSEDED

_NOTHING_SHOWN = and_(EXPOSURES.c.error, EXPOSURES.c.n_items == literal_column("0"))
_KEY = [column.name for column in OUTCOMES.primary_key]


class WriterStatements:
    """What one commit consists of. JSON comes as text: what cannot be encoded fails alone, before the queue.

    Args:
        dialect: The engine's.
    """

    def __init__(self, dialect: Dialect) -> None:
        first = insert(dialect, COMMITS).values(log="events", commits=1)
        counted = first.on_conflict_do_update(index_elements=["log"], set_={"commits": COMMITS.c.commits + 1})
        returning = counted.returning(COMMITS.c.commits)
        self._count_commit = str(returning.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        self._keep_superseded = _keep_superseded(dialect)
        # Its rows go to the driver as they are: there is one for each list.
        self._insert_exposure = str(_insert_exposure(dialect).compile(dialect=named_parameters(dialect)))
        self._outcomes = _ManyOutcomes(dialect)
        beat: dict[str, Any] = {name: bindparam(name) for name in ("writer", "pid", "ts")}
        self._beat = insert(dialect, HEARTBEATS).values(beat)
        self._beat = self._beat.on_conflict_do_update(index_elements=["writer"], set_=self._beat.excluded)

    def count_commit(self, connection: Connection) -> int:
        """The number of this commit. From here on every other writer waits until this transaction ends.

        The row is locked, so numbers are dealt in the order of the commits: whoever sees number n sees all before it.
        """
        return cast("int", connection.exec_driver_sql(self._count_commit).scalar_one())

    def insert_exposures(self, connection: Connection, rows: Sequence[Mapping[str, Any]], commit_number: int) -> None:
        """The first exposure of a decision stands, unless nothing could be shown: then the next one replaces it.

        What is replaced is kept for whoever wants to see the log as it was before.

        Args:
            connection: In the transaction of ``count_commit``.
            rows: Columns; ``items_json`` and ``context_json`` as text. At least one.
            commit_number: From ``count_commit``.
        """
        decision_ids = [row["decision_id"] for row in rows]
        connection.execute(self._keep_superseded, {"decision_ids": decision_ids, "commit_number": commit_number})
        connection.exec_driver_sql(self._insert_exposure, [{**row, "commit_number": commit_number} for row in rows])

    def insert_outcomes(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
        """Insert those that are not there yet.

        Args:
            connection: In the transaction of ``count_commit``.
            rows: Columns, ``meta`` as text; at least one, each key once.

        Returns:
            Keys (decision_id, item_id, kind) of those that are new. The database itself says so, whoever else writes.
        """
        values = tuple(row[name] for row in rows for name in self._outcomes.columns)
        return {tuple(key) for key in connection.exec_driver_sql(self._outcomes.statement(len(rows)), values)}  # type: ignore[misc]

    def beat(self, connection: Connection, *, pid: int, ts: float) -> None:
        """Write the heartbeat."""
        connection.execute(self._beat, {"writer": "event-log", "pid": pid, "ts": ts})


class _ManyOutcomes:
    """One INSERT for n outcomes; the text of one row, repeated."""

    def __init__(self, dialect: Dialect) -> None:
        given: dict[str, Any] = {column.name: bindparam(column.name) for column in OUTCOMES.c}
        statement = insert(dialect, OUTCOMES).values(given | {"meta": _json_text("meta")})
        once = statement.on_conflict_do_nothing(index_elements=_KEY).returning(*OUTCOMES.primary_key)
        compiled = once.compile(dialect=positional_parameters(dialect))
        self.columns: Sequence[str] = cast("Sequence[str]", compiled.positiontup)  # type: ignore[attr-defined]
        self._before, found, rest = str(compiled).partition(" VALUES (")
        row, end, self._after = rest.partition(") ON CONFLICT")
        assert found, compiled
        assert end, compiled
        self._row, self._after = f"({row})", f" ON CONFLICT{self._after}"

    def statement(self, n: int) -> str:
        return f"{self._before} VALUES {', '.join([self._row] * n)}{self._after}"


def _insert_exposure(dialect: Dialect) -> Insert:
    given: dict[str, Any] = {column.name: bindparam(column.name) for column in EXPOSURES.c}
    statement = insert(dialect, EXPOSURES).values(
        given | {name: _json_text(f"{name}_json") for name in ("items", "context")}
    )
    replaced = {column.name: statement.excluded[column.name] for column in EXPOSURES.c if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=["decision_id"], set_=replaced, where=_NOTHING_SHOWN)


def _keep_superseded(dialect: Dialect) -> Insert:
    decisions: BindParameter[list[str]] = bindparam("decision_ids", expanding=True)
    kept = [column.name for column in SUPERSEDED.c if column.name in EXPOSURES.c]
    number = bindparam("commit_number", type_=SUPERSEDED.c.superseded_by.type)
    replaced = select(number, *(EXPOSURES.c[name] for name in kept))
    return insert(dialect, SUPERSEDED).from_select(
        ["superseded_by", *kept], replaced.where(EXPOSURES.c.decision_id.in_(decisions), _NOTHING_SHOWN)
    )


def _json_text(name: str) -> BindParameter[Any]:
    # Without a type it is bound as it is, and the database takes it for what the column is.
    return bindparam(name, type_=NullType())
