"""The terminal channel at the ends of real pipes and of a real pseudo-terminal."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.platform != "win32":
    import pty
    import termios

from deskhand.integrations.terminal import words

CHILD = [sys.executable, "-W", "error", str(Path(__file__).with_name("terminal_child.py"))]
PATIENCE_S = 30  # bounds a failure; no test waits for it to pass
ETX, EOT = "\x03", "\x04"

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


def environment(**changes):
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    return {**kept, "PYTHONIOENCODING": "utf-8", "INPUTRC": os.devnull, **changes}


def pipe(data):
    return subprocess.run(
        CHILD, input=data, capture_output=True, timeout=PATIENCE_S, env=environment(), check=False
    )


def start():
    ends = subprocess.PIPE
    return subprocess.Popen(CHILD, stdin=ends, stdout=ends, stderr=ends, env=environment())


class Pty:
    """A child at a pseudo-terminal; `expect` waits for its output, never for time."""

    def __init__(self, *options, **env):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*CHILD, "--own-terminal", *options],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment(**{"TERM": "xterm", **env}),
        )
        os.close(slave)
        self._seen = b""
        self._position = 0
        self._deadline = time.monotonic() + PATIENCE_S

    def __enter__(self):
        self.expect("quoted.")
        self.expect("You: ")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        os.close(self.master)

    @property
    def output(self):
        return self._seen.decode(errors="ignore").replace("\r\n", "\n")

    def send(self, text):
        os.write(self.master, text.encode())

    def expect(self, text):
        while (found := self.output.find(text, self._position)) < 0:
            assert self._read(), f"ended before {text!r}: {self.output!r}"
        self._position = found + len(text)

    def finish(self):
        while self._read():
            pass
        errors = self.process.communicate(timeout=PATIENCE_S)[1].decode()
        return self.process.returncode, errors

    def _read(self):
        left = max(0.0, self._deadline - time.monotonic())
        assert select.select([self.master], [], [], left)[0], f"no more output: {self.output!r}"
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # Linux says EIO once the child has closed its end
            return False
        self._seen += chunk
        return bool(chunk)


@pytest.fixture(params=["xterm", "dumb"])
def terminal(request):
    """With line editing, and without it."""
    with Pty(TERM=request.param) as running:
        yield running


def test_a_pipe_is_answered_line_by_line():
    done = pipe(b"plain\nhostile\ncited\n")
    assert done.returncode == 0
    assert done.stdout.decode().replace("\r\n", "\n") == (
        f"{words.GREETING}\nAnswers are quoted.\n\nYou: plain\nDesk: One two.\n\n"
        "You: hostile\nDesk: abc[9md\n\nYou: cited\nDesk: You can [1].\n\n[1] A › B (a.md)\n\n"
    )
    assert done.stderr.decode().split() == ["canceled=0"]


def test_a_pipe_survives_bad_bytes_errors_and_bugs_without_a_traceback():
    done = pipe(b"\xff\xfe\nerror\nbug\nplain\n")
    output = done.stdout.decode()
    assert done.returncode == 1
    assert words.UNREADABLE in output
    assert "Error: It broke. Mend it." in output
    assert "it is not your fault" in output
    assert "Desk: One two." in output
    assert "inner detail" not in output
    assert done.stderr.decode().split() == ["canceled=0"]


def test_a_huge_answer_is_written_whole():
    assert "0123456789" * 20_000 in pipe(b"huge\n").stdout.decode()


def test_no_input_at_all_ends_at_once():
    done = pipe(b"")
    assert done.returncode == 0
    assert done.stdout.decode().count("You: ") == 0


def test_a_reader_that_goes_away_ends_the_chat_quietly():
    with start() as child:
        assert child.stdout.readline().strip().decode() == words.GREETING
        child.stdout.close()
        child.stdin.write(b"huge\n")
        child.stdin.flush()
        assert child.wait(PATIENCE_S) == 0
        assert child.stderr.read().decode().split() == ["canceled=0"]


@posix_only
@pytest.mark.parametrize("waiting_for", ["an answer", "a line"])
def test_an_interrupt_ends_a_pipe(waiting_for):
    with start() as child:
        child.stdin.write(b"slow\n" if waiting_for == "an answer" else b"plain\n")
        child.stdin.flush()
        wanted = b"Before" if waiting_for == "an answer" else b"two.\n\n"
        seen = b""
        while wanted not in seen:
            chunk = os.read(child.stdout.fileno(), 4096)
            assert chunk, seen
            seen += chunk
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE_S) == 1
        errors = child.stderr.read().decode().split()
    assert errors == [f"canceled={int(waiting_for == 'an answer')}"]


@posix_only
def test_a_person_asks_and_leaves(terminal):
    terminal.send("plain\n")
    terminal.expect("One two.\n\nYou: ")
    terminal.send("cited\n")
    terminal.expect("[1] A › B (a.md)")
    terminal.expect("You: ")
    terminal.send("/quit\n")
    assert terminal.finish() == (0, "canceled=0\n")


@posix_only
def test_end_of_input_at_the_prompt_leaves(terminal):
    terminal.send(EOT)
    code, _ = terminal.finish()
    assert code == 0
    assert terminal.output.endswith("You: \n")


@posix_only
def test_an_interrupt_stops_the_answer_and_the_chat_goes_on(terminal):
    terminal.send("slow\n")
    terminal.expect("Before")
    terminal.send(ETX)
    terminal.expect("Stopped.\n\nYou: ")
    terminal.send("plain\n")
    terminal.expect("One two.\n\nYou: ")
    terminal.send(EOT)
    assert terminal.finish() == (0, "canceled=1\n")


@posix_only
def test_two_interrupts_at_the_prompt_leave_and_the_terminal_is_as_before(terminal):
    terminal.send(ETX)
    terminal.expect(f"{words.LEAVE_HINT}\nYou: ")
    terminal.send(ETX)
    assert terminal.finish()[0] == 0
    modes = termios.tcgetattr(terminal.master)[3]
    assert modes & termios.ECHO
    assert modes & termios.ICANON


@posix_only
def test_a_line_between_two_interrupts_means_that_the_person_stays(terminal):
    for _ in range(2):
        terminal.send(ETX)
        terminal.expect(f"{words.LEAVE_HINT}\nYou: ")
        terminal.send("plain\n")
        terminal.expect("One two.\n\nYou: ")


@posix_only
def test_line_editing_keeps_and_shows_a_half_typed_line_after_an_interrupt():
    with Pty() as terminal:
        terminal.send("pla")
        terminal.expect("pla")
        terminal.send(ETX)
        terminal.expect(f"{words.LEAVE_HINT}\nYou: pla")
        terminal.send("in\n")
        terminal.expect("One two.")


@posix_only
def test_the_arrow_key_brings_back_an_earlier_line():
    with Pty() as terminal:
        terminal.send("plain\n")
        terminal.expect("One two.\n\nYou: ")
        terminal.send("\x1b[A\n")
        terminal.expect("One two.\n\nYou: ")


@posix_only
def test_a_person_who_waits_is_told_once():
    with Pty("--patience", "0") as terminal:
        terminal.send("silent\n")
        terminal.expect(f"{words.WAITING}\n")
        terminal.send(ETX)
        terminal.expect("Stopped.\n\nYou: ")
        terminal.send(EOT)
        terminal.finish()
        assert terminal.output.count(words.WAITING) == 1


@posix_only
@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nothing_but_text_reaches_a_plain_terminal(env):
    with Pty(**env) as terminal:
        terminal.send("hostile\n")
        terminal.expect("Desk: abc[9md\n\nYou: ")
        terminal.send("error\n")
        terminal.expect("Mend it.\n\nYou: ")
        terminal.send("/sources\n")
        terminal.expect("a.md: A (2 passages)\n\nYou: ")
        terminal.send(EOT)
        terminal.finish()
        assert "\x1b" not in terminal.output


@posix_only
def test_color_never_moves_the_cursor():
    with Pty() as terminal:
        terminal.send("cited\n")
        terminal.expect("a.md")
        terminal.expect("You: ")
        terminal.send(EOT)
        terminal.finish()
    rest = terminal.output
    assert "\x1b[1;36mDesk: \x1b[0m" in rest
    for color in ("\x1b[1;36m", "\x1b[2m", "\x1b[0m"):
        rest = rest.replace(color, "")
    assert "\x1b" not in rest
