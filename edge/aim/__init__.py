"""Aiming a camera without a picture: where faces are, how large, and whether they are good enough to score."""
