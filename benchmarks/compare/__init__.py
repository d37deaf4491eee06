"""One device's run against its reference."""
