"""Several tests at once: p-values corrected for how many chances to be wrong there were.

A corrected p-value is compared with alpha itself, as the p-value of a single test is. NaN is no test: it stays NaN and
does not count among the m tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

#: ``bh`` is Benjamini & Hochberg's; ``none`` leaves the p-values as they are.
Correction = Literal["holm", "bonferroni", "bh", "none"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)


def corrected(pvalues: npt.ArrayLike, correction: Correction) -> npt.NDArray[np.float64]:
    """P-values by the correction of a name.

    Args:
        pvalues: (n,) raw p-values 0 … 1, NaN where there was no test; empty gives empty.
        correction: Of ``CORRECTIONS``.

    Raises:
        ConfigError: There is no such correction.
        ValueError: A p-value is outside 0 … 1.

    >>> corrected([.01, .04], "bonferroni").tolist()
    [0.02, 0.08]
    """
    check_correction(correction)
    return _CORRECT[correction](pvalues)


def check_correction(correction: str) -> None:
    """Refuse what is no correction.

    Raises:
        ConfigError: correction is none of ``CORRECTIONS``.
    """
    if correction not in CORRECTIONS:
        raise ConfigError(f"correction == {correction!r}, must be one of {', '.join(CORRECTIONS)}")


def bonferroni(pvalues: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """``min(1, m p)``: any true hypothesis is rejected with probability alpha at most, however the tests depend.

    Args:
        pvalues: (n,) raw p-values 0 … 1, NaN where there was no test; empty gives empty.

    Raises:
        ValueError: A p-value is outside 0 … 1.

    >>> bonferroni([.01, .04, np.nan]).tolist()
    [0.02, 0.08, nan]
    """
    p = _checked(pvalues)
    return np.minimum(1.0, p * np.count_nonzero(~np.isnan(p)))


def holm(pvalues: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Holm's step-down correction (1979, Scandinavian Journal of Statistics 6:65-70): as safe as Bonferroni, stronger.

    With the p-values in ascending order, ``max over j <= i of min(1, (m - j + 1) p_j)``, j from 1.

    Args:
        pvalues: (n,) raw p-values 0 … 1, NaN where there was no test; empty gives empty.

    Raises:
        ValueError: A p-value is outside 0 … 1.

    >>> holm([.01, .04, .03, np.nan]).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    p = _checked(pvalues)
    order, m = _ascending(p)
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(m, 0, -1)))
    return corrected


def benjamini_hochberg(pvalues: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Benjamini & Hochberg's step-up correction (1995, JRSS B 57:289-300): bounds the false discovery rate instead.

    With the p-values in ascending order, ``min over j >= i of min(1, m p_j / j)``. At most a share alpha of what is
    found is expected to be false, where the tests are independent or positively dependent.

    Args:
        pvalues: (n,) raw p-values 0 … 1, NaN where there was no test; empty gives empty.

    Raises:
        ValueError: A p-value is outside 0 … 1.

    >>> benjamini_hochberg([.01, .04, .03, np.nan]).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    p = _checked(pvalues)
    order, m = _ascending(p)
    corrected = np.full(len(p), np.nan)
    scaled = p[order] * m / np.arange(1, m + 1)
    corrected[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return corrected


def _ascending(p: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], int]:
    """Positions of the p-values that are none of NaN, smallest first, and how many there are."""
    m = int(np.count_nonzero(~np.isnan(p)))
    # NaN sorts last.
    return np.argsort(p, kind="stable")[:m].astype(np.int64), m


def _checked(pvalues: npt.ArrayLike) -> npt.NDArray[np.float64]:
    p = np.asarray(pvalues, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"pvalues has shape {p.shape}, must be one row")
    outside = (p < 0) | (p > 1)
    if outside.any():
        raise ValueError(f"pvalues holds {p[outside][0]:g}, must be 0 … 1, or NaN where there was no test")
    return p


_CORRECT: dict[Correction, Callable[[npt.ArrayLike], npt.NDArray[np.float64]]] = {
    "holm": holm,
    "bonferroni": bonferroni,
    "bh": benjamini_hochberg,
    "none": _checked,
}
