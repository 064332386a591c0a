"""Numbers by address: the published sequence, the range, and that streams do not know each other."""

from __future__ import annotations

import numpy as np
from scipy import stats

from experiments import counter_noise as noise


def test_a_key_opens_the_published_splitmix64_sequence() -> None:
    # The first outputs of SplitMix64 from state 0, as in its reference implementation.
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert noise.extend(np.zeros(1, np.uint64), np.arange(4)).tolist() == published


def test_a_number_depends_on_its_address_only() -> None:
    counters = np.arange(1000)
    together = noise.extend(noise.start(5, 2), counters)
    backwards = noise.extend(noise.start(5, 2), counters[::-1])[::-1]
    alone = noise.extend(noise.start(5, 2), np.array([617]))
    np.testing.assert_array_equal(together, backwards)
    assert together[617] == alone[0]


def test_every_part_of_the_address_matters() -> None:
    of = {
        noise.extend(noise.extend(noise.start(seed, stream), np.array([first])), np.array([second]))[0]
        for seed in (0, 1, -1, 2**64 - 2)
        for stream in (1, 2)
        for first in (0, 1)
        for second in (0, 1)
    }
    assert len(of) == 32


def test_the_seed_counts_modulo_two_to_the_64() -> None:
    assert noise.start(-1, 3) == noise.start(2**64 - 1, 3)


def test_uniforms_stay_inside_the_open_interval() -> None:
    extremes = np.array([0, 2**64 - 1], dtype=np.uint64)
    lowest, highest = noise.uniform(extremes)
    assert 0.0 < lowest < highest < 1.0
    assert np.isfinite(noise.normal(extremes)).all()


def test_uniforms_are_uniform_and_normals_normal() -> None:
    keys = noise.extend(noise.extend(noise.start(0, 1), np.arange(300))[:, None], np.arange(300)).ravel()
    assert stats.kstest(noise.uniform(keys), "uniform").pvalue > 0.01
    assert stats.kstest(noise.normal(keys), "norm").pvalue > 0.01


def test_streams_and_neighbours_are_uncorrelated() -> None:
    counters = np.arange(100_000)
    columns = [noise.normal(noise.extend(noise.start(seed, stream), counters)) for seed in (0, 1) for stream in (1, 2)]
    columns.append(np.roll(columns[0], 1))
    correlation = np.corrcoef(columns)[np.triu_indices(5, 1)]
    assert np.abs(correlation).max() < 4 / np.sqrt(len(counters))
