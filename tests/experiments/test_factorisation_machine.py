"""The factorisation machine: what it minimises, what it recovers, and that it beats biases on real ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from core.interactions import to_csr
from experiments.click_fit import item_features
from experiments.factorisation_machine import FactorisationMachine, fit_factorisation_machine
from loaders.local import LocalDataLoader

NO_FEATURES = 0


def planted(n_users: int = 120, n_items: int = 90, *, seed: int = 0) -> npt.NDArray[np.float64]:
    """Ratings of rank two plus biases and a little noise."""
    rng = np.random.default_rng(seed)
    biases = 3.0 + rng.normal(0, 0.4, (n_users, 1)) + rng.normal(0, 0.4, (1, n_items))
    return (
        biases
        + rng.normal(0, 0.8, (n_users, 2)) @ rng.normal(0, 0.8, (2, n_items))
        + rng.normal(0, 0.2, (n_users, n_items))
    )


def observed(
    ratings: npt.NDArray[np.float64], share: float, seed: int = 1
) -> tuple[sparse.csr_array, npt.NDArray[np.bool_]]:
    """The given share of the ratings, and which they are."""
    seen = np.random.default_rng(seed).random(ratings.shape) < share
    return sparse.csr_array((ratings[seen], np.nonzero(seen)), shape=ratings.shape), seen


def none_of(n_items: int) -> sparse.csr_array:
    return sparse.csr_array((n_items, NO_FEATURES))


def full(machine: FactorisationMachine) -> npt.NDArray[np.float64]:
    """(n_users, n_items) predicted ratings."""
    n_users, n_items = len(machine.user_bias), len(machine.item_bias)
    return machine.mean + machine.deviation(np.arange(n_users), np.tile(np.arange(n_items), (n_users, 1)))


def rmse(predicted: npt.NDArray[np.float64], true: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((predicted - true) ** 2)))


def test_a_planted_structure_is_recovered_and_biases_alone_miss_it() -> None:
    ratings = planted()
    given, seen = observed(ratings, 0.5)
    machine = fit_factorisation_machine(given, none_of(90), embedding_size=4, reg=1.0, bias_reg=1.0)
    biases = fit_factorisation_machine(given, none_of(90), embedding_size=0, bias_reg=1.0)
    assert rmse(full(machine)[~seen], ratings[~seen]) < 0.3
    assert rmse(full(biases)[~seen], ratings[~seen]) > 0.7


def test_every_epoch_lowers_the_penalised_error() -> None:
    ratings = planted()
    given, seen = observed(ratings, 0.3)

    def objective(epochs: int) -> float:
        machine = fit_factorisation_machine(given, none_of(90), embedding_size=3, epochs=epochs, reg=2.0, bias_reg=5.0)
        error = ((full(machine) - ratings)[seen] ** 2).sum()
        factors = (machine.user_factors**2).sum() + (machine.item_factors**2).sum()
        biases = (machine.user_bias**2).sum() + (machine.item_bias**2).sum()
        return float(error + 2.0 * factors + 5.0 * biases)

    values = [objective(epochs) for epochs in (1, 2, 3, 5, 20)]
    assert values == sorted(values, reverse=True)


def test_an_item_without_ratings_inherits_from_its_features() -> None:
    ratings = np.full((50, 20), 3.0)
    ratings[:, ::2] += 1.0
    features = sparse.csr_array(np.eye(2)[np.arange(20) % 2])
    seen = np.ones(ratings.shape, dtype=bool)
    seen[:, :2] = False
    given = sparse.csr_array((ratings[seen], np.nonzero(seen)), shape=ratings.shape)
    machine = fit_factorisation_machine(given, features, embedding_size=2)
    cold = machine.deviation(np.arange(50), np.tile([0, 1], (50, 1)))
    np.testing.assert_allclose(cold - cold.mean(), np.tile([0.5, -0.5], (50, 1)), atol=0.1)


def test_ratings_that_are_stored_as_zero_are_ratings() -> None:
    given = sparse.csr_array((np.array([0.0, 5.0, 0.0, 5.0]), ([0, 0, 1, 1], [0, 1, 0, 1])), shape=(2, 2))
    machine = fit_factorisation_machine(given, none_of(2), embedding_size=1, bias_reg=0.1)
    assert machine.mean == 2.5
    low, high = full(machine)[0]
    assert low < 1.0
    assert high > 4.0


def test_without_ratings_nothing_deviates() -> None:
    machine = fit_factorisation_machine(sparse.csr_array((3, 4)), none_of(4), embedding_size=2)
    np.testing.assert_array_equal(full(machine), np.zeros((3, 4)))


def test_more_rows_than_a_block_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    given, _ = observed(planted(), 0.3)
    features = sparse.csr_array(np.eye(3)[np.arange(90) % 3])
    whole = fit_factorisation_machine(given, features, embedding_size=3, epochs=2)
    monkeypatch.setattr("experiments.factorisation_machine._BLOCK", 7)
    np.testing.assert_allclose(
        full(fit_factorisation_machine(given, features, embedding_size=3, epochs=2)), full(whole)
    )


@pytest.mark.real_data
def test_it_beats_biases_on_a_random_tenth_of_movielens(movielens: Path) -> None:
    data = LocalDataLoader(movielens).load()
    ratings = to_csr(data.ratings, data.user_index(), data.item_index(), binary=False)
    features = item_features(data.item_index(), data)
    held_out = np.random.default_rng(1).random(ratings.nnz) < 0.1
    user, item = ratings.tocoo().coords
    given = sparse.csr_array((ratings.data[~held_out], (user[~held_out], item[~held_out])), shape=ratings.shape)

    def held_out_rmse(embedding_size: int) -> float:
        machine = fit_factorisation_machine(given, features, embedding_size=embedding_size)
        predicted = machine.mean + machine.deviation(user[held_out], item[held_out][:, None])[:, 0]
        return rmse(np.clip(predicted, 0.5, 5.0), ratings.data[held_out])

    machine, biases = held_out_rmse(24), held_out_rmse(0)
    assert machine < biases - 0.02
    assert machine < 0.84
