"""How much of an error may be spent by which share of the information: the planned part of a group-sequential test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy import special

from core.errors import ConfigError

SpendingKind = Literal["obrien_fleming", "pocock", "power", "hwang_shih_decani"]
KINDS: tuple[SpendingKind, ...] = ("obrien_fleming", "pocock", "power", "hwang_shih_decani")


@dataclass(frozen=True)
class Spending:
    """A spending function: cumulative error a(t) at information fraction t, from 0 at t = 0 to the whole at t = 1.

    - ``obrien_fleming``: 2 - 2 Φ(Φ⁻¹(1 - a / 2) / √t): next to nothing early (Lan & DeMets 1983, Biometrika 70:659,
      α₁*).
    - ``pocock``: a ln(1 + (e - 1) t): about as much at every look (ibid., α₂*).
    - ``power``: a t^shape, shape > 0 (Kim & DeMets 1987, Biometrika 74:149).
    - ``hwang_shih_decani``: a (1 - e^(-shape t)) / (1 - e^(-shape)), a t at shape 0; -4 is near O'Brien-Fleming, 1 near
      Pocock (Hwang, Shih & De Cani 1990, Statistics in Medicine 9:1439).

    Attributes:
        kind: Which of the four.
        shape: For ``power`` and ``hwang_shih_decani``; the others have none, NaN.

    Raises:
        ConfigError: kind is unknown, or shape is not what it needs.
    """

    kind: SpendingKind = "obrien_fleming"
    shape: float = math.nan

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind == {self.kind!r}, must be one of {', '.join(KINDS)}")
        if self.kind == "power" and not 0 < self.shape < math.inf:
            raise ConfigError(f"shape == {self.shape}, must be above 0 for power spending, e.g. 3")
        if self.kind == "hwang_shih_decani" and not abs(self.shape) <= 40:
            raise ConfigError(f"shape == {self.shape}, must lie in -40 … 40 for hwang_shih_decani, e.g. -4")
        if self.kind in ("obrien_fleming", "pocock") and not math.isnan(self.shape):
            raise ConfigError(f"shape == {self.shape}, but {self.kind} has none; leave it out")

    def spent(self, fraction: float, error: float) -> float:
        """Error spent by a fraction of the information.

        >>> f"{Spending().spent(0.5, 0.025):.6f}", f"{Spending('pocock').spent(0.5, 0.025):.6f}"
        ('0.001525', '0.015503')

        Args:
            fraction: >= 0; all is spent from 1 on.
            error: What there is to spend, 0 … 1.

        Raises:
            ConfigError: fraction is negative or NaN, or error lies outside 0 … 1.
        """
        if not fraction >= 0 or not 0 <= error <= 1:
            raise ConfigError(f"fraction == {fraction}, error == {error}; must be >= 0 and in 0 … 1")
        if fraction == 0 or error == 0:
            return 0.0
        if fraction >= 1:
            return error
        if self.kind == "obrien_fleming":
            return 2 * float(special.ndtr(special.ndtri(error / 2) / math.sqrt(fraction)))
        if self.kind == "pocock":
            return error * math.log1p((math.e - 1) * fraction)
        if self.kind == "power":
            return error * math.pow(fraction, self.shape)
        if self.shape == 0:
            return error * fraction
        return error * math.expm1(-self.shape * fraction) / math.expm1(-self.shape)
