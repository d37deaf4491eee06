"""`train`: placeholder."""


def train() -> None:
    """Placeholder."""
