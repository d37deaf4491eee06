"""When a device of many has its turn."""

from hypothesis import given
from hypothesis import strategies as st

from edge.publish.stagger import LONGEST_S, stagger_s

names = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)


@given(names, names, st.integers(10, 3600))
def test_a_turn_is_within_a_tenth_of_the_window_and_five_seconds(site, device, window_s):
    assert 0 <= stagger_s(site, device, window_s) < min(LONGEST_S, window_s / 10)
    assert stagger_s(site, device, window_s) == stagger_s(site, device, window_s)


def test_a_device_keeps_its_turn_for_ever():
    assert round(stagger_s("berlin", "door", 60), 6) == 1.040253


def test_a_thousand_cameras_of_fifty_stores_fill_the_five_seconds_evenly():
    turns = [stagger_s(f"store-{number // 20}", f"cam-{number % 20}", 60) for number in range(1000)]
    tenths = [sum(int(turn / LONGEST_S * 10) == tenth for turn in turns) for tenth in range(10)]
    assert all(70 <= count <= 130 for count in tenths), tenths
