"""When a device of many has its slot, and how much it sends in a minute."""

from hypothesis import given
from hypothesis import strategies as st

from edge.publish.pacing import LONGEST_S, Pace, stagger_s

names = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)


@given(names, names, st.integers(10, 3600))
def test_a_slot_is_within_a_tenth_of_the_window_and_five_seconds(site, device, window_s):
    assert 0 <= stagger_s(site, device, window_s) < min(LONGEST_S, window_s / 10)
    assert stagger_s(site, device, window_s) == stagger_s(site, device, window_s)


def test_a_device_keeps_its_slot_for_ever():
    assert round(stagger_s("berlin", "door", 60), 6) == 1.040253


def test_a_thousand_cameras_of_fifty_stores_fill_the_five_seconds_evenly():
    slots = [stagger_s(f"store-{number // 20}", f"cam-{number % 20}", 60) for number in range(1000)]
    tenths = [sum(int(slot / LONGEST_S * 10) == tenth for slot in slots) for tenth in range(10)]
    assert all(70 <= count <= 130 for count in tenths), tenths


def test_a_burst_is_sent_at_once_and_then_the_rate_holds():
    now_s = [100.0]
    pace = Pace(60, 10, now_s=lambda: now_s[0])
    for _ in range(10):
        assert pace.wait_s(1) == 0
        pace.spend(1)
    assert pace.wait_s(1) == 1
    assert pace.wait_s(3) == 3
    now_s[0] += 2
    assert (pace.wait_s(2), pace.wait_s(3)) == (0, 1)
    now_s[0] += 1000  # a pause saves up no more than a burst
    assert (pace.wait_s(10), pace.wait_s(1000)) == (0, 0)
    pace.spend(1000)  # what is larger than a burst, or cannot wait, leads into debt
    assert pace.wait_s(1) == 991


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 500)), max_size=50))
def test_no_more_than_a_burst_and_the_rate_is_ever_sent(steps):
    now_s, sent = [0.0], 0.0
    pace = Pace(600, 12, now_s=lambda: now_s[0])
    for pause_s, amount in steps:
        now_s[0] += pause_s
        if amount <= 120 and pace.wait_s(amount) == 0:
            pace.spend(amount)
            sent += amount
        assert sent <= 120 + 10 * now_s[0] + 1e-6
