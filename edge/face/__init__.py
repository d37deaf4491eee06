"""Faces in a frame: finding, following, cutting out and judging them."""
