"""Measuring a device on the device: time by stage, from a frame to its message, cold, hot, and with many faces."""
