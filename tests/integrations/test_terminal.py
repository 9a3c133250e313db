import asyncio
import io
import logging
from itertools import count

import pytest

from deskhand.core import Citation, DeskhandError, Outcome, Reply
from deskhand.core.testing import HOLD, ScriptedDesk
from deskhand.integrations.terminal import TerminalChannel, words

GREETING = f"{words.GREETING}\n\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TypedBytes(io.TextIOWrapper):
    """Lines that a person types, as far as the channel can tell; there is no real terminal."""

    def isatty(self):
        return True


async def talk(desk, lines, *, stdout=None, conversation=None, **options):
    """Feed lines through a pipe; returns the exit code and all that was written."""
    data = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
    output = stdout or io.StringIO()
    channel = TerminalChannel(
        stdin=io.TextIOWrapper(io.BytesIO(data)),
        stdout=output,
        environ=options.pop("environ", {}),
        token=options.pop("token", lambda: "token"),
        **options,
    )
    code = await channel.run(desk, conversation=conversation)
    return code, output.getvalue()


async def say(*steps, **options):
    _, output = await talk(ScriptedDesk({"q": steps}), ["q"], **options)
    return output.removeprefix(GREETING)


async def test_a_pipe_reads_as_a_transcript():
    desk = ScriptedDesk({"first": ["One ", "two."], "second": ["Three."]}, notices=["Quoted."])
    code, output = await talk(desk, ["first", "", "  ", "second"])
    assert code == 0
    assert output == (
        f"{words.GREETING}\nQuoted.\n\nYou: first\nDesk: One two.\n\nYou: second\nDesk: Three.\n\n"
    )


async def test_a_last_line_without_a_newline_and_windows_line_ends_are_read():
    desk = ScriptedDesk()
    await talk(desk, b"\xef\xbb\xbfone\r\ntwo")
    assert [message.text for message in desk.messages] == ["one", "two"]


async def test_footnotes_and_notices_follow_the_answer():
    reply = Reply(
        Outcome.ANSWERED,
        "Yes [1][2][3].",
        "",
        (
            Citation("docs/a.md", "A › B", "", 0.9),
            Citation("faq-7", "", "", 0.8),
            Citation("x\nYou: no", "T\n\x1b[1mitle", "", 0.7),
        ),
        notices=("The question was cut.",),
    )
    assert await say("Yes [1]", "[2][3].", reply) == (
        "You: q\nDesk: Yes [1][2][3].\n\n[1] A › B (docs/a.md)\n[2] faq-7\n[3] T itle (x You: no)\n"
        "Note: The question was cut.\n\n"
    )


@pytest.mark.parametrize(
    ("pieces", "text", "shown"),
    [
        ([], "Whole.", "Whole."),
        (["A. "], "A.\n\nB.", "A. B."),
        (["A."], "A.\n\nB.", "A.\n\nB."),
        (["A ", " b."], "A b.", "A  b."),
        (["Draft."], "Sorry.", "Draft.\nDesk: Sorry."),
        (["Draft."], "", "Draft."),
        ([], "", words.EMPTY_REPLY),
        (["", "A."], "A.", "A."),
    ],
)
async def test_the_reply_completes_what_was_streamed(pieces, text, shown):
    output = await say(*pieces, Reply(Outcome.ANSWERED, text, ""))
    assert output == f"You: q\nDesk: {shown}\n\n"


@pytest.mark.parametrize(
    ("outcome", "note", "code"),
    [
        (Outcome.FAILED, "something went wrong", 1),
        (Outcome.NEEDS_APPROVAL, "approval", 0),
        (Outcome.HANDED_OFF, "person", 0),
        (Outcome.REFUSED, "", 0),
    ],
)
async def test_an_outcome_shows_in_words_and_a_pipe_reports_failure(outcome, note, code):
    desk = ScriptedDesk({"q": [Reply(outcome, "Text.", "")]})
    actual, output = await talk(desk, ["q"])
    assert actual == code
    assert note in output
    assert ("Note:" in output) is bool(note)


async def test_help_names_every_command():
    _, output = await talk(ScriptedDesk(), ["/help", "/HELP"])
    assert output.count("\n".join(words.HELP)) == 2


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/sorces", "There is no command /sorces. Did you mean /sources?"),
        ("/xyzzy", "There is no command /xyzzy. /help shows them."),
        ("/", "There is no command /. /help shows them."),
        ("/new plan", "/new takes nothing after it; nothing was done."),
    ],
)
async def test_a_wrong_command_gets_one_line(line, answer):
    desk = ScriptedDesk()
    code, output = await talk(desk, [line])
    assert (code, output) == (0, f"{GREETING}You: {line}\n{answer}\n\n")
    assert not desk.messages


async def test_a_path_or_a_leading_space_makes_a_question():
    desk = ScriptedDesk()
    await talk(desk, ["/etc/hosts is empty, why?", " /var is full", "how do I quit"])
    assert [message.text for message in desk.messages] == [
        "/etc/hosts is empty, why?",
        " /var is full",
        "how do I quit",
    ]


@pytest.mark.parametrize("word", ["/quit", "quit", "Exit", " exit "])
async def test_leaving_words_end_the_chat(word):
    desk = ScriptedDesk()
    code, _ = await talk(desk, [word, "never asked"])
    assert code == 0
    assert not desk.messages


async def test_sources_are_listed_filtered_and_paged():
    rows = [(f"{number:03}.md", "Title", number) for number in range(45)]
    rows[7] = ("účet.md", "účet.md", 1)
    _, output = await talk(ScriptedDesk(sources=rows), ["/sources"])
    lines = output.splitlines()
    assert "000.md: Title (0 passages)" in lines
    assert "účet.md (1 passage)" in lines
    assert "039.md: Title (39 passages)" in lines
    assert "040.md: Title (40 passages)" not in lines
    assert words.MORE_SOURCES.format(count=5) in lines
    _, output = await talk(ScriptedDesk(sources=rows), ["/sources UCET", "/sources zebra"])
    assert "\núčet.md (1 passage)\n\n" in output
    assert "000.md" not in output
    assert words.NO_MATCH.format(word="zebra") in output


async def test_nothing_known_yet_says_how_to_add_documents():
    _, output = await talk(ScriptedDesk(), ["/sources", "/history"])
    assert words.NO_SOURCES in output
    assert words.NO_HISTORY in output


async def test_history_belongs_to_a_conversation_and_new_begins_another():
    desk = ScriptedDesk({"q": ["A."]})
    _, output = await talk(desk, ["q", "/history", "/new", "/history", "q"], clock_ns=lambda: 5)
    assert "/history\nYou: q\nDesk: A.\n\nYou: /new\n" in output
    assert f"You: /history\n{words.NO_HISTORY}\n" in output
    first, second = desk.messages
    assert first.conversation != second.conversation
    assert first.channel == "terminal"


async def test_a_conversation_can_be_continued():
    desk = ScriptedDesk({"q": ["A."]})
    await talk(desk, ["q"], conversation="c1")
    _, output = await talk(desk, ["/history"], conversation="c1")
    assert words.CONTINUED.format(conversation="c1") in output
    assert "/history\nYou: q\nDesk: A.\n" in output


async def test_message_ids_are_unique_and_sort_in_time_when_the_clock_does_not_move():
    desk = ScriptedDesk()
    times = count(1_000, -1)
    await talk(desk, ["a", "b", "c"], clock_ns=lambda: next(times))
    ids = [message.id for message in desk.messages]
    assert ids == sorted(set(ids))
    assert all(len(identifier.split("-")[0]) == 20 for identifier in ids)


async def test_a_known_error_is_one_line_and_the_chat_goes_on():
    desk = ScriptedDesk({"bad": ["Half ", DeskhandError("It\nbroke.", "Mend it.")], "q": ["A."]})
    code, output = await talk(desk, ["bad", "q"])
    assert code == 1
    expected = "You: bad\nDesk: Half \nError: It broke. Mend it.\n\nYou: q\nDesk: A.\n\n"
    assert output == GREETING + expected


@pytest.mark.parametrize("steps", [[RuntimeError("inner detail")], []])
async def test_an_unexpected_error_has_an_id_and_its_details_only_in_the_log(caplog, steps):
    desk = ScriptedDesk({"bug": steps, "q": ["A."]})
    if not steps:
        desk.answer = no_reply
    with caplog.at_level(logging.ERROR):
        code, output = await talk(desk, ["bug"], token=lambda: "e1d2")
    assert code == 1
    assert output == f"{GREETING}You: bug\n{words.UNEXPECTED.format(error_id='e1d2')}\n\n"
    (record,) = caplog.records
    assert "e1d2" in record.getMessage()
    assert record.exc_info


async def no_reply(message):
    return
    yield


async def test_an_error_of_a_command_is_told_too():
    desk = ScriptedDesk()

    async def broken():
        raise DeskhandError("The index is gone.")

    desk.sources = broken
    _, output = await talk(desk, ["/sources", "/history"])
    assert "Error: The index is gone.\n" in output
    assert words.NO_HISTORY in output


async def test_bytes_that_are_not_utf8_are_reported_and_the_rest_is_read():
    desk = ScriptedDesk({"q": ["A."]})
    code, output = await talk(desk, b"caf\xe9\nq\n")
    assert code == 1
    assert output == f"{GREETING}{words.UNREADABLE}\n\nYou: q\nDesk: A.\n\n"


async def test_a_line_of_a_megabyte_is_passed_on_but_not_echoed_whole():
    desk = ScriptedDesk()
    _, output = await talk(desk, ["ž" * 1_000_000])
    assert desk.messages[0].text == "ž" * 1_000_000
    assert "… (1,000,000 characters)\n" in output
    assert len(output) < 2_000


async def test_an_endless_line_is_bounded_and_the_next_one_is_whole():
    desk = ScriptedDesk()
    await talk(desk, b"a" + "ž".encode() * 10_000_000 + b"\nnext\n")
    long, following = (message.text for message in desk.messages)
    assert 4_000_000 < len(long) < 5_000_000
    assert following == "next"


@pytest.mark.parametrize("text", ["[bold]x[/bold] :smile: [/]", "日本語 שלום עולם é 👩‍🔬", "a\tb"])
async def test_text_is_shown_as_it_is(text):
    assert await say(text) == f"You: q\nDesk: {text}\n\n"


async def test_every_text_of_others_is_cleaned(caplog):
    hostile = "a\x1b]0;t\x07\x1b[2Jb\x9b1mc\x00\u202ed"
    reply = Reply(
        Outcome.ANSWERED, hostile, "", (Citation(hostile, "", "", 1.0),), "en", (hostile,)
    )
    desk = ScriptedDesk(
        {"q": [reply], "bad": [DeskhandError(hostile)]}, sources=[(hostile, hostile, 1)]
    )
    desk.notices = lambda: [hostile]
    lines = ["q", "bad", "/history", "/sources", f"/{hostile}", hostile]
    _, output = await talk(desk, lines, stdout=Terminal(), environ={"NO_COLOR": "1"})
    assert output.count("abcd") >= 9
    assert not [letter for letter in output if letter < " " and letter != "\n"]
    assert not set(output) & {"\x9b", "\u202e"}


@pytest.mark.parametrize(
    ("environ", "colored"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
async def test_color_decorates_a_color_terminal_only(environ, colored):
    desk = ScriptedDesk({"q": ["A [bold]."]})
    _, output = await talk(desk, ["q"], stdout=Terminal(), environ=environ)
    assert ("\x1b[" in output) is colored
    assert "A [bold].\n" in output
    _, piped = await talk(desk, ["q"], environ={**environ, "FORCE_COLOR": "1"})
    assert "\x1b" not in piped


async def test_an_old_code_page_gets_plainer_characters():
    raw = io.BytesIO()
    output = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    reply = Reply(Outcome.ANSWERED, "Účet…", "", (Citation("s", "A › B", "", 1.0),))
    channel = TerminalChannel(
        stdin=io.TextIOWrapper(io.BytesIO(b"q\n")), stdout=output, environ={"TERM": "dumb"}
    )
    assert await channel.run(ScriptedDesk({"q": [reply]})) == 0
    assert b"Desk: ??et..." in raw.getvalue()
    assert b"[1] A > B (s)" in raw.getvalue()


async def test_a_person_whose_output_goes_to_a_file_gets_prompts_and_a_transcript():
    output = io.StringIO()
    channel = TerminalChannel(
        stdin=TypedBytes(io.BytesIO(b"q\n\n\n")), stdout=output, environ={}, patience_s=0
    )
    assert await channel.run(ScriptedDesk({"q": ["A."]})) == 0
    assert output.getvalue() == f"{GREETING}You: q\nDesk: A.\n\nYou: \nYou: \nYou: \n"


async def test_a_process_without_standard_streams_ends_quietly(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    monkeypatch.setattr("sys.stdout", None)
    assert await TerminalChannel(environ={}).run(ScriptedDesk()) == 0


async def test_shutting_the_desk_down_cancels_the_turn():
    desk = ScriptedDesk({"q": [HOLD]})
    asked = asyncio.Event()
    answer = desk.answer

    def noted(message):
        asked.set()
        return answer(message)

    desk.answer = noted
    chat = asyncio.create_task(talk(desk, ["q"]))
    await asked.wait()
    chat.cancel()
    with pytest.raises(asyncio.CancelledError):
        await chat
    assert desk.canceled == [desk.messages[0].id]


async def test_the_scripted_desk_gives_a_stored_reply_again_and_can_be_released():
    desk = ScriptedDesk({"q": ["A", HOLD, "B"]})
    desk.release()
    await talk(desk, ["q"])
    again = [piece async for piece in desk.answer(desk.messages[0])]
    assert [piece.text for piece in again] == ["AB"]
    assert await desk.history(desk.messages[0].conversation) == [("person", "q"), ("desk", "AB")]
