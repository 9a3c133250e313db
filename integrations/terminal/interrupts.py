"""Ctrl-C as an event of the loop instead of an exception somewhere in the code."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_interrupt(callback: Callable[[], None]) -> Iterator[None]:
    """While the block runs, call `callback` in the running loop for each SIGINT.

    Does nothing outside the main thread, or where the parent process had SIGINT ignored.
    """
    previous = signal.getsignal(signal.SIGINT)
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or previous in (signal.SIG_IGN, None):
        yield
        return
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(callback))
    else:
        loop.add_signal_handler(signal.SIGINT, callback)
    try:
        yield
    finally:
        if sys.platform != "win32":
            loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, previous)
