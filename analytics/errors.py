"""What a user of the server side can cause or cure, besides what `edge.errors` names already."""

from __future__ import annotations

from edge.errors import EdgeError


class DataError(EdgeError, ValueError):
    """A store or a file is missing, in use, or malformed; the message names it."""

    exit_code = 2
