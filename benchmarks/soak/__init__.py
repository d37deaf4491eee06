"""The soak: the device as a process, a real broker, and faults at random, for an hour.

Owns the account of what was closed and what arrived. It takes no word of the outbox for either: windows are counted
where they are committed and where a subscriber gets them.
"""
