"""Groups texts of similar length, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of texts, shortest first, in groups that waste little on padding.

    Args:
        lengths: Tokens of each text.
        budget: Most tokens of a batch, padding included. A longer text is a batch of its own.

    Yields:
        Every index once. Inside a batch no text is shorter than three quarters of the longest,
        unless they differ by at most eight tokens.
    """
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[index]
        if group:
            shortest = lengths[group[0]]
            wasteful = shortest < length * 0.75 and length - shortest > 8
            if wasteful or (len(group) + 1) * length > budget:
                yield group
                group = []
        group.append(index)
    if group:
        yield group
