"""EASE in both forms against the paper's equation with a dense inverse in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import ConfigError
from tests.small_interactions import interactions_of, random_interactions
from wrappers.ease import Ease
from wrappers.positive_definite import invert

FORMS = [(40, 130, "kernel"), (130, 40, "weights"), (60, 60, "weights")]


def dense_weights(history: npt.NDArray[np.float64], reg: float, dropout: float = 0.0) -> npt.NDArray[np.float64]:
    """B of eq. 8 in Steck (2019), with the penalties of Steck (2020)."""
    gram = history.T @ history
    inverse = np.linalg.inv(gram + np.diag(reg + dropout / (1 - dropout) * np.diagonal(gram)))
    weights = -inverse / np.diagonal(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


@pytest.mark.parametrize("reg", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("dropout", [0.0, 0.6])
@pytest.mark.parametrize(("n_users", "n_items", "form"), FORMS)
def test_equals_the_dense_inverse(n_users: int, n_items: int, form: str, dropout: float, reg: float) -> None:
    ease = Ease({"reg": reg, "dropout": dropout}).fit(random_interactions(n_users, n_items))
    assert form in ease.state()
    history = ease.known.history.toarray().astype(np.float64)
    exact = history @ dense_weights(history, reg, dropout)
    scores = ease.score(np.arange(n_users))
    assert scores.dtype == np.float32
    # float32 keeps 7 digits; a system this well conditioned loses one or two of them.
    np.testing.assert_allclose(scores, exact, rtol=0, atol=2e-5 * np.abs(exact).max())


@pytest.mark.parametrize(("n_users", "n_items", "form"), FORMS)
def test_contributions_are_the_weights_that_sum_to_the_score(n_users: int, n_items: int, form: str) -> None:
    ease = Ease({"reg": 20.0, "dropout": 0.3}).fit(random_interactions(n_users, n_items))
    history = ease.known.history.toarray().astype(np.float64)
    exact = dense_weights(history, 20.0, 0.3)
    # Rated items too: they may be asked for, and nothing is a reason for itself.
    items = np.arange(n_items)[::-3]
    rated, parts = ease.contributions(3, items)
    np.testing.assert_array_equal(rated, np.flatnonzero(history[3]))
    assert (parts.dtype, parts.shape) == (np.float32, (len(items), len(rated)))
    np.testing.assert_allclose(parts, exact[np.ix_(rated, items)].T, rtol=0, atol=2e-6)
    np.testing.assert_allclose(parts.sum(axis=1), ease.score(np.array([3]))[0, items], rtol=0, atol=2e-5)


def test_dropout_is_what_hiding_at_random_comes_to() -> None:
    """Least squares on many histories with hidden items, each rebuilt without looking at itself (Steck 2020, eq. 3)."""
    history = Ease().fit(random_interactions(30, 6)).known.history.toarray().astype(np.float64)
    rng = np.random.default_rng(0)
    copies, dropout = 4000, 0.4
    target = np.tile(history, (copies, 1))
    shown = target * (rng.random(target.shape) >= dropout) / (1 - dropout)
    gram = shown.T @ shown / copies + 5.0 * np.eye(6)
    expected = np.zeros((6, 6))
    for item in range(6):
        others = np.arange(6) != item
        toward = shown[:, others].T @ target[:, item] / copies
        expected[others, item] = np.linalg.solve(gram[np.ix_(others, others)], toward)
    np.testing.assert_allclose(dense_weights(history, 5.0, dropout), expected, atol=0.01)


def test_the_dual_form_stays_small() -> None:
    ease = Ease().fit(random_interactions(20, 300))
    assert sum(array.nbytes for array in ease.state().values()) < 20 * 20 * 4 + 301 * 4


def test_a_penalty_that_float32_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="ease: reg == 1e-06 is too small"):
        # User 1 rated only item 1 and nobody else did: 1 - x' K x = reg / (1 + reg), lost in rounding.
        Ease({"reg": 1e-6}).fit(interactions_of([1, 2, 2, 2], [1, 2, 3, 4]))


@pytest.mark.parametrize("reg", [0, -1.0, float("nan"), float("inf"), "much"])
def test_a_penalty_must_be_a_positive_number(reg: object) -> None:
    with pytest.raises(ConfigError, match="ease: reg == "):
        Ease({"reg": reg})


def test_data_too_large_for_memory_is_refused_before_it_is_tried() -> None:
    with pytest.raises(ConfigError, match=r"max_memory_gb == 1e-06.*\(30 squared\)"):
        Ease({"max_memory_gb": 1e-6}).fit(random_interactions(30, 60))


def test_training_again_forgets_the_other_form() -> None:
    ease = Ease().fit(random_interactions(20, 40))
    assert set(ease.fit(random_interactions(40, 20)).state()) == {"weights"}
    assert set(ease.fit(random_interactions(20, 40)).state()) == {"kernel", "inverse_diagonal"}


def test_inverts_in_place() -> None:
    # More than one tile of the mirroring, the last one cut off.
    factors = np.random.default_rng(1).random((600, 50), np.float32)
    matrix = factors @ factors.T + 50 * np.eye(600, dtype=np.float32)
    expected = np.linalg.inv(matrix.astype(np.float64))
    inverse = invert(matrix, of="test: diagonal == 50")
    assert np.shares_memory(inverse, matrix)
    np.testing.assert_array_equal(inverse, inverse.T)
    np.testing.assert_allclose(inverse, expected, atol=1e-6)


def test_a_singular_matrix_is_refused() -> None:
    with pytest.raises(ConfigError, match="test: diagonal == 0 is too small"):
        invert(np.ones((3, 3), np.float32), of="test: diagonal == 0")
