"""Faults on the socket. They end by raising: the server has nothing more to write."""

import math
import os
import select
import socket
import struct
from contextlib import suppress
from typing import NoReturn

from orchestrator.values.clock import SystemClock

__all__ = ["ON_THE_SOCKET", "strike", "wait"]

ON_THE_SOCKET = frozenset({"reset", "hang", "trickle", "truncate", "short"})  # what a fault may do

MOMENT = 0.005  # real seconds between two looks whether the client has gone


class DroppedError(ConnectionAbortedError):
    """The fault has been applied; the server drops the connection silently."""


def wait(connection: socket.socket | None, clock: SystemClock, seconds: float) -> None:
    """Wait that long, or until the client goes away (without a socket it cannot)."""
    if connection is None:
        clock.sleep(seconds)
        return
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:
        if _gone(connection):
            raise DroppedError
        clock.sleep(min(left, clock.speed * MOMENT))


def strike(does: str, connection: socket.socket, clock: SystemClock, body: bytes) -> NoReturn:
    """Apply a fault of `ON_THE_SOCKET`, and drop the connection.

    Args:
        does: Which.
        connection: The connection.
        clock: The time.
        body: The answer as it would be.
    """
    match does:
        case "reset":  # the client sees `Connection reset by peer`
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(connection.detach())
        case "hang":
            wait(connection, clock, math.inf)
        case "trickle":  # a byte now and then: no single read ever times out
            with suppress(OSError):  # the client has gone between two bytes
                connection.sendall(_head(len(body) + 1_000_000) + body)
                while not _gone(connection):
                    connection.sendall(b" ")
                    clock.sleep(clock.speed * MOMENT)
        case "truncate":  # the connection ends in the middle of the body
            connection.sendall(_head(len(body)) + body[: len(body) // 2])
            connection.shutdown(socket.SHUT_RDWR)
        case _:  # the length says less than there is: what is read is no JSON
            connection.sendall(_head(len(body) // 2) + body)
            connection.shutdown(socket.SHUT_WR)
    raise DroppedError


def _head(length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()


def _gone(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], MOMENT)
    try:
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:  # reset is gone, too
        return True
