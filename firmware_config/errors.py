"""What a user of these tools can cause or cure, besides what `edge.errors` names already."""

from __future__ import annotations

from edge.errors import EdgeError


class PackageError(EdgeError, RuntimeError):
    """A package cannot be built: a tool or a wheel is missing, or what came is for another machine."""

    exit_code = 1
