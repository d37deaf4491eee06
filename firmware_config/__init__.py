"""From a checkout to a board: device pages, systemd units, packages and images."""
