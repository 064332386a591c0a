"""The breaker as a state machine, with a clock that the test sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.circuit_breaker import FIRST_PAUSE_S, IN_A_ROW, LONGEST_PAUSE_S, WINDOW, CircuitBreaker, Crowd


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(clock)
    told = []
    for _ in range(IN_A_ROW):
        assert breaker.may_call()
        told.append(breaker.failed())
    assert told == [False] * (IN_A_ROW - 1) + [True]
    return breaker


def test_failures_in_a_row_open_it_and_an_answer_between_starts_anew() -> None:
    breaker = CircuitBreaker(Clock())
    for _ in range(IN_A_ROW - 1):
        breaker.failed()
    breaker.succeeded()
    for _ in range(IN_A_ROW - 1):
        assert not breaker.failed()
    assert (breaker.state, breaker.may_call()) == ("closed", True)
    assert breaker.failed()
    assert (breaker.state, breaker.may_call()) == ("open", False)


def test_half_of_the_last_calls_open_it() -> None:
    breaker = CircuitBreaker(Clock())
    for _ in range(WINDOW // 2 - 1):
        breaker.succeeded()
        assert not breaker.failed()
    breaker.succeeded()
    assert breaker.failed(), "ten of twenty"
    rare = CircuitBreaker(Clock())
    for number in range(10 * WINDOW):
        assert not (rare.failed() if number % 3 == 0 else rare.succeeded())
    assert rare.state == "closed"


def test_after_the_pause_one_call_tries() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert not breaker.may_call()
    clock.now += FIRST_PAUSE_S
    assert breaker.state == "half-open"
    assert [breaker.may_call() for _ in range(3)] == [True, False, False]
    assert breaker.succeeded()
    assert (breaker.state, [breaker.may_call() for _ in range(3)]) == ("closed", [True] * 3)
    assert not breaker.failed(), "what was before is forgotten"


def test_each_pause_is_twice_the_last_until_the_longest() -> None:
    clock = Clock()
    breaker, pauses = opened(clock), []
    for _ in range(8):
        start = clock.now
        while not breaker.may_call():
            clock.now += 0.01
        pauses.append(round(clock.now - start, 1))
        assert breaker.failed()
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_call_that_told_nothing_lets_the_next_one_try() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += FIRST_PAUSE_S
    assert breaker.may_call()
    breaker.abandoned()
    assert (breaker.state, breaker.may_call()) == ("half-open", True)


def test_failures_of_calls_from_before_it_opened_change_nothing() -> None:
    clock = Clock()
    breaker = opened(clock)
    before = breaker.pause_s
    assert not breaker.failed()
    assert breaker.pause_s == before
    assert breaker.succeeded(), "an answer of such a call closes it: the server is there"
    assert breaker.state == "closed"


@given(st.lists(st.sampled_from(["call", "wait"]), max_size=200), st.lists(st.booleans(), min_size=1, max_size=50))
def test_whatever_comes_there_is_one_try_at_a_time_and_a_server_that_is_back_is_found(
    steps: list[str], answers: list[bool]
) -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    outcomes = [answers[place % len(answers)] for place in range(len(steps))]
    for step, good in zip(steps, outcomes, strict=True):
        if step == "wait":
            clock.now += 0.15
        elif breaker.may_call():
            if breaker.state != "closed":
                assert not breaker.may_call()
            if good:
                breaker.succeeded()
                assert breaker.state == "closed"
            else:
                breaker.failed()
    clock.now += LONGEST_PAUSE_S
    assert breaker.may_call()
    breaker.succeeded()
    assert breaker.may_call()


def test_a_crowd_before_a_server_that_answers_is_none() -> None:
    clock = Clock()
    crowd = Crowd(clock, most=3, silent_s=0.5)
    for _ in range(3):
        assert not crowd.is_stuck
        crowd.begin()
    assert not crowd.is_stuck, "not for long yet"
    clock.now += 0.4
    crowd.end(answered=True)
    crowd.begin()
    clock.now += 0.4
    assert not crowd.is_stuck, "it answers"
    clock.now += 0.2
    assert crowd.is_stuck
    crowd.end(answered=False)
    assert not crowd.is_stuck, "there is room for one"
    crowd.begin()
    assert crowd.is_stuck
    for _ in range(3):
        crowd.end(answered=False)
    clock.now += 9
    for _ in range(3):
        crowd.begin()
    assert not crowd.is_stuck, "nobody waited meanwhile"
