"""A rollout's sessions as logged decisions: who was given what, with which chance, and whether a click came of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, select

from events.aggregate import CLICKED
from events.database import reading
from events.schema import EXPOSURES


class LoggedDecisions(NamedTuple):
    """One row a session, failed ones included; all arrays have shape (n,).

    Attributes:
        unit_id: str, what was randomised.
        variant: str, what it was given.
        propensity: float64, the chance of that in the step it happened in, 0 … 1.
        clicked: bool.
    """

    unit_id: npt.NDArray[np.str_]
    variant: npt.NDArray[np.str_]
    propensity: npt.NDArray[np.float64]
    clicked: npt.NDArray[np.bool_]


def logged_decisions(engine: Engine, experiment: str) -> LoggedDecisions:
    """Every session of an experiment, in the order in which they came.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.

    Returns:
        Empty arrays where nothing is recorded.

    Raises:
        EventLogError: The log cannot be read.
    """
    query = (
        select(EXPOSURES.c.unit_id, EXPOSURES.c.variant, EXPOSURES.c.propensity, CLICKED)
        .where(EXPOSURES.c.experiment == experiment)
        .order_by(EXPOSURES.c.ts, EXPOSURES.c.decision_id)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    unit, variant, propensity, clicked = zip(*rows, strict=True) if rows else ((),) * 4
    return LoggedDecisions(
        np.array(unit, dtype=np.str_),
        np.array(variant, dtype=np.str_),
        np.array(propensity, dtype=np.float64),
        np.array(clicked, dtype=np.bool_),
    )
