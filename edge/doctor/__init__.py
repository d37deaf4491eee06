"""The examination of an installed device: what is wrong, and what to do about it, one line each."""
