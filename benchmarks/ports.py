"""Free ports of the loopback for the servers of experiments."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


def hold_port() -> socket.socket:
    """A socket that keeps a free port: nobody else is given it until the socket is closed.

    It is bound and does not listen. The system gives its port to nobody who asks for any port. A server that names the
    port gets it, since both set SO_REUSEADDR, as servers do.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((HOST, 0))
    return holder


def port_of(holder: socket.socket) -> int:
    """The number of the port that a socket has."""
    return int(holder.getsockname()[1])
