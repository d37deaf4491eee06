"""A fleet: one table in, a folder for each device and the broker's two files out.

The folder on disk is the fleet. A table adds to it and changes it; nothing but `--revoke` takes a device away.
"""
