import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.publish.bucket import TokenBucket


class Time:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_it_gives_what_was_saved_up_then_the_rate():
    time = Time()
    bucket = TokenBucket(60, 3, time)
    assert [bucket.take(1) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(1) == 1
    time.now_s = 1
    assert bucket.take(1)
    assert not bucket.take(1)


def test_what_must_not_wait_makes_the_others_wait_longer():
    time = Time()
    bucket = TokenBucket(60, 3, time)
    bucket.charge(10)
    assert bucket.wait_s(1) == 8


def test_more_than_it_can_hold_passes_when_it_is_full_and_is_paid_back():
    bucket = TokenBucket(60, 3, Time())
    assert bucket.take(5)
    assert bucket.wait_s(1) == 3


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 5)), max_size=50))
def test_no_more_ever_passes_than_rate_and_capacity_allow(steps):
    time = Time()
    bucket, passed = TokenBucket(60, 5, time), 0.0
    for pause_s, tokens in steps:
        time.now_s += pause_s
        if bucket.take(tokens):
            passed += tokens
        assert passed <= 5 + time.now_s + 1e-6


def test_the_wait_that_it_names_is_enough():
    time = Time()
    bucket = TokenBucket(7, 2, time)
    bucket.take(2)
    time.now_s += bucket.wait_s(1.5) + 1e-9
    assert bucket.take(1.5)
    assert bucket.wait_s(0) == pytest.approx(0)
