"""Runs one command on a knowledge folder in a fork that is killed on the way; see test_crashes.py.

One process imports everything, then forks for each line of its standard input.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import chromadb  # noqa: F401 - imported before the forks, for speed
import onnxruntime  # noqa: F401

from deskhand.memory import Embedders, Knowledge, indexer, language, sentences  # noqa: F401
from deskhand.memory import knowledge as knowledge_module
from deskhand.memory.store import Store
from deskhand.memory.vectors import Vectors
from deskhand.models import english_embeddings


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at(owner: object, name: str, count: int, *, after: bool) -> None:
    """Die before or after a method is called for the n-th time."""
    original = getattr(owner, name)
    calls = iter(range(1, 1_000_000))

    def method(*arguments: object, **options: object) -> object:
        last = next(calls) == count
        if last and not after:
            die()
        result = original(*arguments, **options)
        if last:
            die()
        return result

    setattr(owner, name, method)


def in_the_middle_of_writing(count: int) -> None:
    original = Vectors.add
    calls = iter(range(1, 1_000_000))

    def add(self: Vectors, name: str, ids: list[str], vectors: object) -> None:
        if next(calls) == count:
            half = len(ids) // 2
            original(self, name, ids[:half], vectors[:half])
            die()
        original(self, name, ids, vectors)

    Vectors.add = add


POINTS = {
    "in the transaction": (Store, "add_entry", True),
    "after the commit": (indexer.Indexer, "settle", False),
    "before vectors are deleted": (Vectors, "delete", False),
    "after vectors are deleted": (Vectors, "delete", True),
    "after vectors are written": (Vectors, "add", True),
    "before the journal is cleared": (Store, "clear_journal", False),
    "after forgetting": (indexer.Indexer, "forget_vectors", True),
    "while discarding": (knowledge_module.shutil, "rmtree", False),
    "after discarding": (Knowledge, "_discard_vectors", True),
}


def arm(point: str, count: int) -> None:
    if point == "in the middle of vectors":
        in_the_middle_of_writing(count)
    elif point != "at random":
        owner, name, after = POINTS[point]
        at(owner, name, count, after=after)


def work(job: dict) -> None:
    arm(job["point"], job["count"])
    opened = Knowledge.open(Path(job["folder"]), Embedders(english_embeddings(threads=1)))
    if job["what"] == "add":
        opened.add([Path(job["docs"])])
    else:
        getattr(opened, job["what"])()


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                work(job)
            except BaseException as error:  # noqa: BLE001 - a fork must not go on as its parent
                sys.stderr.write(f"{error!r}\n")
                os._exit(1)
            os._exit(0)
        if job["point"] == "at random":
            time.sleep(job["count"] / 1000)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


main()
