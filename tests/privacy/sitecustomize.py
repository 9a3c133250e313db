"""Loaded by every Python with this folder on PYTHONPATH: writes down each way out, and bars it.

The attempt is written to the file named by LEAK_LOG before it is refused, so that a library which
swallows the error is still found out.
"""

import ipaddress
import os
import sys
from typing import Any


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _way_out(event: str, args: tuple[Any, ...]) -> object:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        # Anything but a tuple is a UNIX socket, or a socket that is connected already.
        outside = isinstance(address, tuple) and not _is_loopback(address[0])
        return address if outside else None
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        return None if _is_loopback(args[0]) else args[0]
    return None


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    target = _way_out(event, args)
    if target is not None:
        with open(os.environ["LEAK_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123
            log.write(f"{event} {target}\n")
        raise OSError(f"a test forbids {event} to {target}")


if "LEAK_LOG" in os.environ:
    sys.addaudithook(_hook)
