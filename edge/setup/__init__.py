"""An installation: the configuration and the service's drop-in, written from a board's profile and some answers."""
