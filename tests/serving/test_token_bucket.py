import pytest

from serving.access.token_bucket import BucketPerAddress, TokenBucket


def test_a_seconds_worth_at_once_then_a_steady_rate() -> None:
    bucket = TokenBucket(rate=10, burst=10)
    assert [bucket.take(100.0) for _ in range(10)] == [0.0] * 10
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.05) == pytest.approx(0.05)
    assert bucket.take(100.11) == 0.0
    # An hour of silence saves up no more than the burst.
    assert sum(bucket.take(3700.0) == 0.0 for _ in range(50)) == 10


def test_over_any_time_no_more_than_rate_and_burst() -> None:
    bucket = TokenBucket(rate=7, burst=3)
    taken = sum(bucket.take(i / 1000) == 0.0 for i in range(20_000))
    assert taken == 3 + 7 * 20 - 1


def test_addresses_do_not_share_and_do_not_pile_up() -> None:
    buckets = BucketPerAddress(rate=1, burst=2, most=3)
    assert [buckets.take("a", 10.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(1.0)]
    assert buckets.take("b", 10.0) == 0.0
    for number in range(100):
        buckets.take(f"other-{number}", 10.0)
    assert len(buckets._buckets) == 3
