"""iALS against the paper's loss and normal equations, dense and in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from tests.small_interactions import random_interactions
from wrappers import ridge_rows
from wrappers.ials import IALS

CONFIG = {"embedding_size": 6, "reg": 0.05, "unobserved_weight": 0.2, "epochs": 5, "seed": 3}
Floats = npt.NDArray[np.float64]


def fitted(**changes: object) -> IALS:
    return IALS({**CONFIG, **changes}).fit(random_interactions(40, 30))


def parts_of(model: IALS) -> tuple[Floats, Floats, Floats]:
    """(n_users, n_items) history; user factors; item factors."""
    state = model.state()
    dense = (model.known.history.toarray(), state["user_factors"], state["item_factors"])
    history, users, items = (array.astype(np.float64) for array in dense)
    return history, users, items


def penalties(model: IALS, axis: int) -> Floats:
    """reg (n + alpha_0 n_others)^nu of users (axis 1) or items (axis 0), eq. 3."""
    history, config = model.known.history, model.config
    frequency = history.sum(axis=axis) + config.unobserved_weight * history.shape[axis]
    scaled: Floats = config.reg * frequency.astype(np.float64) ** config.reg_exponent
    return scaled


def loss(model: IALS) -> float:
    history, users, items = parts_of(model)
    scores = users @ items.T
    fit = (history * (1 - scores) ** 2).sum() + model.config.unobserved_weight * (scores**2).sum()
    norms = ((penalties(model, 1) * (users**2).sum(1)).sum(), (penalties(model, 0) * (items**2).sum(1)).sum())
    return float(fit + sum(norms))


# Rows shorter than the embedding are solved through themselves, longer ones through the embedding.
@pytest.mark.parametrize("embedding_size", [2, 12, 40])
@pytest.mark.parametrize("reg_exponent", [0.0, 0.7, 1.0])
def test_each_user_solves_the_normal_equations(embedding_size: int, reg_exponent: float) -> None:
    model = fitted(embedding_size=embedding_size, reg_exponent=reg_exponent)
    history, users, items = parts_of(model)
    every = model.config.unobserved_weight * items.T @ items
    for user, row in enumerate(history):
        rated = items[row > 0]
        normal = rated.T @ rated + every + penalties(model, 1)[user] * np.eye(embedding_size)
        np.testing.assert_allclose(users[user], np.linalg.solve(normal, rated.sum(axis=0)), atol=1e-4)


def test_the_loss_falls_with_every_epoch() -> None:
    losses = [loss(fitted(epochs=epochs)) for epochs in range(1, 8)]
    assert (np.diff(losses) < 0).all()


def test_a_step_from_the_solution_makes_the_loss_greater() -> None:
    """Items are solved for the users before, so only the users' step is a minimum: the loss here is the paper's."""
    model, rng = fitted(), np.random.default_rng(0)
    least, users = loss(model), model.state()["user_factors"]
    for _ in range(5):
        moved = fitted()
        direction = rng.normal(size=users.shape).astype(np.float32)
        moved.restore({**moved.state(), "user_factors": users + 0.01 * direction})
        assert loss(moved) > least


def test_contributions_sum_to_the_score() -> None:
    model = fitted(embedding_size=8)
    items = np.arange(30)
    for user in (0, 5, 39):
        rated, parts = model.contributions(user, items)
        np.testing.assert_array_equal(rated, np.flatnonzero(model.known.history.toarray()[user]))
        assert (parts.dtype, parts.shape) == (np.float32, (30, len(rated)))
        np.testing.assert_allclose(parts.sum(axis=1), model.score(np.array([user]))[0], rtol=1e-3, atol=1e-4)


def test_neither_threads_nor_blocks_change_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    one, three = (fitted(threads=threads).state() for threads in (1, 3))
    monkeypatch.setattr(ridge_rows, "_CELLS", 6 * 30 * 2)
    parted = fitted(threads=2).state()
    for name, array in one.items():
        np.testing.assert_array_equal(array, three[name])
        # Another block fills rows up to another length: what is added is 0, and rounds differently.
        np.testing.assert_allclose(array, parted[name], atol=1e-4)


def test_the_seed_does() -> None:
    assert not np.array_equal(fitted(seed=1).state()["item_factors"], fitted(seed=2).state()["item_factors"])


def test_rows_without_ratings_are_zero() -> None:
    factors, penalty = np.ones((4, 3), np.float32), np.ones(2, np.float32)
    nobody = sparse.csr_array((2, 4), dtype=np.float32)
    solved = ridge_rows.ridge_rows(nobody, factors, unobserved_weight=0.1, penalty=penalty, threads=1)
    np.testing.assert_array_equal(solved, np.zeros((2, 3), np.float32))


def test_every_row_is_in_one_block_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge_rows, "_CELLS", 100)
    length = np.random.default_rng(0).integers(0, 30, 200)
    blocks = ridge_rows._blocks(length, 4)
    np.testing.assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(200))
    # A row longer than a block is one by itself.
    assert all(len(block) == 1 or len(block) * length[block].max() * 4 <= 100 for block in blocks)
    assert len(blocks) < 200
