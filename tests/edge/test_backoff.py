import random
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.backoff import Backoff


@pytest.fixture
def _longest(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)


@pytest.mark.usefixtures("_longest")
def test_delays_double_from_try_to_try_up_to_the_limit():
    backoff = Backoff(0.5, 60.0)
    assert [backoff.next_s(lasted=False) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.usefixtures("_longest")
def test_after_a_session_that_lasted_the_first_try_comes_soon():
    backoff = Backoff(0.5, 60.0)
    for _ in range(5):
        backoff.next_s(lasted=False)
    assert backoff.next_s(lasted=True) == 0.5
    assert backoff.next_s(lasted=False) == 1.0


def test_a_street_of_devices_comes_back_over_half_of_the_delay(monkeypatch):
    """A broker that restarts meets two hundred devices spread out, not at once."""
    monkeypatch.setattr(random, "uniform", random.Random(3).uniform)
    waits = []
    for _ in range(200):
        backoff = Backoff(0.5, 60.0)
        waits.append([backoff.next_s(lasted=False) for _ in range(8)])
    for tried, limit in ((0, 1.0), (3, 8.0), (7, 60.0)):
        delays = [wait[tried] for wait in waits]
        assert limit / 2 <= min(delays) < 0.55 * limit
        assert 0.95 * limit < max(delays) <= limit
        assert pstdev(delays) > 0.1 * limit
        assert len(set(delays)) == 200


@given(st.lists(st.booleans(), max_size=60), st.floats(0.01, 5), st.floats(1, 3600))
def test_no_delay_is_zero_or_beyond_the_limit(lasted, first_s, longest_s):
    backoff = Backoff(first_s, longest_s)
    delays = [backoff.next_s(lasted=each) for each in lasted]
    assert all(0 < delay <= longest_s for delay in delays)
