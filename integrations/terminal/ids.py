"""Ids of messages and conversations: unique, and sortable in time."""

from collections.abc import Callable


class Ids:
    """Makes ids that sort in the order of making, even when the clock stands still or steps back.

    Args:
        clock_ns: Nanoseconds since 1970.
        token: A short random string; it keeps the ids of two processes apart.
    """

    def __init__(self, clock_ns: Callable[[], int], token: Callable[[], str]) -> None:
        self._clock_ns = clock_ns
        self._last_ns = 0
        self.token = token

    def new(self) -> str:
        """The next id, for example `01764000000000000000-9f3a11c2`."""
        self._last_ns = max(self._last_ns + 1, self._clock_ns())
        return f"{self._last_ns:020d}-{self.token()}"
