"""Where people talk to the desk: one folder a channel, found by entry point, never by import.

    terminal    the chat of `deskhand chat`

A channel is a class of the entry-point group `deskhand.channels`; its contract is
`deskhand.core.plugins.Channel`. To test one, give it a `deskhand.core.testing.ScriptedDesk`.
"""

__all__: list[str] = []
