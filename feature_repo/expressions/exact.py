"""Sums that do not depend on their order: of integers instead of floating-point numbers."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

#: Ratings are summed in millionths of a star: as fine as float32, and their squares still fit 64 bits.
STAR = 1_000_000
#: Logarithms and entropies are summed in billionths.
NAT = 1_000_000_000


def exact(value: ir.NumericValue, unit: int) -> ir.IntegerValue:
    """A number as a whole number of 1 / ``unit``."""
    return (value.cast("float64") * float(unit)).round().cast("int64")


def ratio(above: ir.NumericValue, below: ir.NumericValue, scale: float = 1.0) -> ir.FloatingValue:
    """``above / below / scale`` in float64, null where ``below`` is 0."""
    return above.cast("float64") / below.cast("float64").nullif(0.0) / scale


def spread(count: ir.NumericValue, total: ir.NumericValue, squares: ir.NumericValue, scale: float) -> ir.FloatingValue:
    """Population standard deviation from the number, sum and sum of squares of values in 1 / ``scale``.

    sqrt(n sum(x^2) - sum(x)^2) / n: exactly 0 for one value.
    """
    n, first, second = (value.cast("float64") for value in (count, total, squares))
    return ratio(ibis.greatest(n * second - first * first, 0.0).sqrt(), n, scale)
