"""Whatever happens to the files, in whatever order, the index says what a naive model says."""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deskhand.memory import Knowledge

NAMES = st.sampled_from(["a.md", "sub/b.md", "c.txt", "faq.jsonl"])
WORDS = st.sampled_from(["one", "two", "three"])


def build_machine(embedders, contents, check_whole):  # noqa: C901 - one rule, one method
    class Files(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.top = Path(tempfile.mkdtemp())
            self.docs = self.top / "docs"
            (self.docs / "sub").mkdir(parents=True)
            self.knowledge = Knowledge.open(self.top / "index", embedders)
            self.files: dict[str, str] = {}
            self.indexed: set[tuple[str, str]] = set()
            self.added = False
            self.clock = 10**9

        def teardown(self):
            self.knowledge.close()
            shutil.rmtree(self.top)

        def now(self) -> set[tuple[str, str]]:
            return {
                ("q" if n == "faq.jsonl" else n, f"It is {word}.") for n, word in self.files.items()
            }

        @rule(name=NAMES, word=WORDS)
        def write(self, name, word):
            text = f"It is {word}."
            if name == "faq.jsonl":
                text = f'{{"id": "q", "question": "Which?", "answer": "{text}"}}'
            (self.docs / name).write_text(text)
            self.clock += 1
            os.utime(self.docs / name, (self.clock, self.clock))
            self.files[name] = word

        @precondition(lambda self: self.files)
        @rule(data=st.data())
        def delete(self, data):
            name = data.draw(st.sampled_from(sorted(self.files)))
            (self.docs / name).unlink()
            del self.files[name]

        @precondition(lambda self: self.files)
        @rule()
        def add(self):
            self.knowledge.add([self.docs])
            self.indexed, self.added = self.now(), True

        @rule()
        def sync(self):
            self.knowledge.sync()
            if self.added:
                self.indexed = self.now()

        @precondition(lambda self: self.indexed)
        @rule(data=st.data())
        def remove(self, data):
            source = data.draw(st.sampled_from(sorted(source for source, _ in self.indexed)))
            self.knowledge.remove(source)
            self.indexed = {item for item in self.indexed if item[0] != source}

        @rule()
        def reopen(self):
            self.knowledge.close()
            self.knowledge = Knowledge.open(self.top / "index", embedders)

        @invariant()
        def says_what_the_model_says(self):
            assert contents(self.knowledge) == self.indexed
            if self.added:
                check_whole(self.knowledge)

    return Files


def test_any_order_of_changes(embedders, contents, check_whole):
    run_state_machine_as_test(
        build_machine(embedders, contents, check_whole),
        settings=settings(
            max_examples=12,
            stateful_step_count=15,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
