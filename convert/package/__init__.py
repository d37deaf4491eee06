"""A run's graphs as a signed bundle with its card."""
