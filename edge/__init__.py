"""affect-edge on the device: a camera in, aggregated valence and arousal out. No picture leaves this package."""

from edge.version import VERSION as __version__

__all__ = ["__version__"]
