"""Measures the main job: a newcomer asks a question and gets a cited answer, without a network.

python benchmarks/app_main_job.py [--data DIR] [--only NAME[,NAME]] [--questions FILE] [--show]

The sample help center is loaded into a throw-away data folder, with both embedding models and no
language model, whatever is set. Parts: help, ask, warm, chat, clone, install, questions, stackfaq,
bitcoin. `--only` takes parts or figures. Without arguments `clone` and `install` are left out, as
they download packages, and the two public sets are sampled; `--full` runs everything.

The last line is one JSON object. Seconds and milliseconds are wall times of this machine.
"""

import argparse
import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Run with `python -P`, the folder of the program is not on the path.
sys.path.append(str(Path(__file__).resolve().parent))

from deskhand.core import Outcome, switch_off_telemetry

switch_off_telemetry()

from _common import (  # noqa: E402 - telemetry is off first
    ROOT,
    Figures,
    Part,
    choose,
    data_set,
    options,
    progress,
    read_jsonl,
    result_line,
    run_parts,
)
from _desk import (  # noqa: E402
    MULTILINGUAL,
    SampleDesk,
    faq_knowledge,
    listened_agent,
    models_dir,
    one_turn,
    plain_environment,
)
from _processes import (  # noqa: E402
    copy_of_tree,
    installed,
    median_of,
    new_environment,
    script,
    seconds_of,
    seconds_to_prompt,
)
from _scoring import (  # noqa: E402
    LANGUAGES,
    Case,
    Share,
    mean_reciprocal_rank,
    percentile,
    question_shares,
    rank_of,
    recall,
    refusal_aurocs,
    wrong_line,
)

if TYPE_CHECKING:
    from deskhand.memory import Knowledge

DEVELOPMENT = ROOT / "examples" / "evaluation" / "help_center_dev.jsonl"
# What the main job must reach: "<" is at most, ">" at least.
TARGETS = {
    "help_s": ("<", 0.4),
    "ask_cold_s": ("<", 3.0),
    "ask_warm_p50_ms": ("<", 150.0),
    "chat_second_start_s": ("<", 3.0),
    "base_mb": ("<", 800.0),
    **{
        name + suffix: (">", target)
        for name, target in {
            "recall_at_5": 0.95,
            "unanswerable_refused": 0.85,
            "answerable_answered": 0.9,
            "follow_up_correct": 0.8,
        }.items()
        for suffix in ("", "_cs", "_de")
    },
    "stackfaq_r1": (">", 0.95),
    "stackfaq_mrr": (">", 0.97),
    "bitcoin_cross_r1": (">", 0.77),
    "czech_on_english_answered": (">", 0.8),
}
WARM_UP = 5
STACKFAQ_SAMPLE = 300
BITCOIN_SAMPLE = 15
DEEP = 100  # passages looked at for a rank
QUESTION = "How long do the batteries last?"


def help_time(sample: SampleDesk) -> Figures:
    """Whole processes of `deskhand --help`."""
    del sample
    return {"help_s": median_of([script(), "--help"], plain_environment(), ROOT, 5)}


def ask_cold(sample: SampleDesk) -> Figures:
    """Whole processes of `deskhand ask`; the operating system has the files in its cache."""
    with tempfile.TemporaryDirectory() as cwd:
        command = [script(), "ask", "--json", QUESTION]
        return {"ask_cold_s": median_of(command, sample.environment(), Path(cwd), 3)}


def ask_warm(sample: SampleDesk) -> Figures:
    """Different questions to one running desk, each in a new conversation."""
    questions = list(dict.fromkeys(row["question"] for row in read_jsonl(DEVELOPMENT)))
    took = asyncio.run(_answer_times(sample, questions))[WARM_UP:]
    return {
        "ask_warm_p50_ms": statistics.median(took) * 1000,
        "ask_warm_p95_ms": percentile(took, 95) * 1000,
    }


async def _answer_times(sample: SampleDesk, questions: Sequence[str]) -> list[float]:
    from deskhand.app.desk import open_desk  # noqa: PLC0415

    took = []
    async with open_desk(sample.settings(), purpose="benchmark") as desk:
        for question in questions:
            started = time.perf_counter()
            reply = await one_turn(desk, question)
            took.append(time.perf_counter() - started)
            if reply.outcome is Outcome.FAILED:  # quick, but not an answer
                raise RuntimeError(f"the turn failed: {question}\n{reply.text}")
    return took


def chat_start(sample: SampleDesk) -> Figures:
    """From the start of `deskhand chat` to its prompt."""
    environment = sample.environment()
    with tempfile.TemporaryDirectory() as cwd:
        command = [script(), "chat"]
        took = [seconds_to_prompt(command, environment, Path(cwd)) for _ in range(3)]
    return {"chat_start_s": statistics.median(took)}


def chat_in_clone(sample: SampleDesk) -> Figures:
    """`make chat` in a fresh copy of this clone: the first installs, the others only start.

    The multilingual model is put where the first would fetch it; that time depends on the network.
    """
    del sample
    with tempfile.TemporaryDirectory(prefix="deskhand-clone-") as name:
        clone = copy_of_tree(Path(name))
        place = clone / ".deskhand" / "models" / MULTILINGUAL
        shutil.copytree(models_dir() / MULTILINGUAL, place)
        environment = plain_environment()
        progress("The first make chat installs everything; this takes minutes.")
        first = seconds_to_prompt(["make", "chat"], environment, clone, patience_s=1800)
        later = [seconds_to_prompt(["make", "chat"], environment, clone) for _ in range(3)]
    return {"chat_first_start_s": first, "chat_second_start_s": statistics.median(later)}


def install(sample: SampleDesk) -> Figures:
    """The base install in fresh environments: as make does it, and as plain pip does.

    Sizes are those of files on the disk, bytecode included, without pip and setuptools. The time
    is pip's own; what it has in its cache it does not download.
    """
    del sample
    pip = ("-m", "pip", "install", "--disable-pip-version-check", "--quiet")
    with tempfile.TemporaryDirectory(prefix="deskhand-install-") as name:
        folder = Path(name)
        clone = copy_of_tree(folder / "clone")
        environment = plain_environment()
        progress("Installing as make does.")
        python = new_environment(folder / "base")
        locked = [python, *pip, "--no-deps", "-r", "requirements.txt", "."]
        took = seconds_of(locked, environment, clone)
        megabytes, packages = installed(folder / "base")
        progress("Installing as plain pip does.")
        python = new_environment(folder / "plain")
        seconds_of([python, *pip, "."], environment, clone)
        plain_megabytes, _ = installed(folder / "plain")
    return {
        "base_mb": megabytes,
        "base_packages": packages,
        "base_install_s": took,
        "base_pip_mb": plain_megabytes,
    }


def questions(sample: SampleDesk, chosen: argparse.Namespace) -> Figures:
    """A file of labelled questions, each asked in a conversation of its own."""
    rows = read_jsonl(chosen.questions)
    cases, languages = asyncio.run(_ask_all(sample, rows))
    failed = [case for case in cases if case.outcome == Outcome.FAILED.value]
    if len(failed) == len(cases):
        raise RuntimeError("every turn failed: there is nothing to score")
    if failed:
        print(f"FAILED turns, scored as wrong: {', '.join(case.id for case in failed)}")
    if chosen.show:
        print("\n".join(wrong_line(case) for case in cases if case.wrong))
    shares = question_shares(cases, languages)
    _print_shares(shares)
    return {
        "questions": len(cases),
        "failed_turns": len(failed),
        **{name: share.value for name, share in shares.items()},
        **refusal_aurocs(cases),
    }


async def _ask_all(
    sample: SampleDesk, rows: Sequence[dict[str, Any]]
) -> tuple[list[Case], dict[str, str]]:
    cases = []
    async with listened_agent(sample.settings()) as (agent, listener, languages):
        known = set(languages)
        for row in rows:
            unknown = set(row["sources"]) - known
            if unknown:
                raise RuntimeError(f"{row['id']} is labelled with what is not there: {unknown}")
            conversation = f"benchmark-{row['id']}"
            for said in row["history"]:
                if said["role"] == "person":
                    await one_turn(agent, said["text"], conversation)
            listener.forget()
            reply = await one_turn(agent, row["question"], conversation)
            found = listener.found()
            cases.append(
                Case(
                    id=row["id"],
                    question=row["question"],
                    language=row["language"],
                    kind=row["kind"],
                    near_miss=row["near_miss"],
                    labelled=frozenset(row["sources"]),
                    outcome=reply.outcome.value,
                    cited=tuple(citation.source for citation in reply.citations),
                    found=tuple(dict.fromkeys(hit.source for hit in found)),
                    top=found[0].score if found else 0.0,
                )
            )
    return cases, languages


def _print_shares(shares: dict[str, Share]) -> None:
    names = dict.fromkeys(name for name in shares if name[-3:] not in {f"_{c}" for c in LANGUAGES})
    print(f"{'':26}" + "".join(f"{head:>16}" for head in ("all", *LANGUAGES)))
    for name in names:
        cells = []
        for suffix in ("", *(f"_{code}" for code in LANGUAGES)):
            found = shares.get(name + suffix)
            cells.append(f"{found.value:.3f} ({found.hits}/{found.of})" if found else "")
        print(f"{name:26}" + "".join(f"{cell:>16}" for cell in cells))


def stackfaq(sample: SampleDesk, chosen: argparse.Namespace) -> Figures:
    """Paraphrases of the questions of a FAQ in English, loaded as any FAQ is."""
    del sample
    folder = data_set(chosen.data, "faq_stackfaq", "faqs.jsonl", "queries.jsonl")
    entries = [
        {"id": row["id"], "question": row["question"], "answer": "\n\n".join(row["answers"])}
        for row in read_jsonl(folder / "faqs.jsonl")
    ]
    queries = [(row["query"], row["faq_id"]) for row in read_jsonl(folder / "queries.jsonl")]
    if not chosen.full:
        queries = random.Random(0).sample(queries, STACKFAQ_SAMPLE)  # noqa: S311 - not a secret
    with faq_knowledge(entries) as knowledge:
        started = time.perf_counter()
        ranks = _ranks(knowledge, queries)
        took = time.perf_counter() - started
    figures = {
        "stackfaq_queries": float(len(ranks)),
        "stackfaq_r1": recall(ranks, 1),
        "stackfaq_mrr": mean_reciprocal_rank(ranks),
        "stackfaq_queries_per_s": len(ranks) / took,
    }
    if chosen.full or chosen.only:
        with faq_knowledge(entries, multilingual=False) as knowledge:
            ranks = _ranks(knowledge, queries)
        figures["stackfaq_english_model_r1"] = recall(ranks, 1)
        figures["stackfaq_english_model_mrr"] = mean_reciprocal_rank(ranks)
    return figures


def bitcoin(sample: SampleDesk, chosen: argparse.Namespace) -> Figures:
    """Questions in 27 languages to a FAQ in English."""
    del sample
    rows = read_jsonl(data_set(chosen.data, "multi_faq_bitcoin", "faq.jsonl") / "faq.jsonl")
    entries = [
        {"id": row["id"], "question": row["question"], "answer": row["answer"], "language": "en"}
        for row in rows
        if row["lang"] == "en"
    ]
    by_language: dict[str, float] = {}
    with faq_knowledge(entries) as knowledge:
        for language in sorted({row["lang"] for row in rows} - {"en"}):
            queries = [(row["question"], row["id"]) for row in rows if row["lang"] == language]
            if not chosen.full:
                queries = random.Random(0).sample(queries, BITCOIN_SAMPLE)  # noqa: S311
            by_language[language] = recall(_ranks(knowledge, queries), 1)
    print("  ".join(f"{language} {value:.2f}" for language, value in by_language.items()))
    figures = {"bitcoin_cross_r1": statistics.mean(by_language.values())}
    if chosen.full:
        figures |= {f"bitcoin_cross_r1_{name}": value for name, value in by_language.items()}
    return figures


def _ranks(knowledge: "Knowledge", queries: Sequence[tuple[str, str]]) -> list[int]:
    """Ranks of the wanted sources. `Knowledge.search` is this, and opens the search each time."""
    retrieval = knowledge.retrieval()
    return [
        rank_of(wanted, (hit.source for hit in retrieval.search(query, limit=DEEP)))
        for query, wanted in queries
    ]


def all_parts(sample: SampleDesk, chosen: argparse.Namespace) -> list[Part]:
    """Everything that this program measures, in order."""
    return [
        Part("help", ("help_s",), partial(help_time, sample)),
        Part("ask", ("ask_cold_s",), partial(ask_cold, sample)),
        Part("warm", ("ask_warm_*",), partial(ask_warm, sample)),
        Part("chat", ("chat_start_s",), partial(chat_start, sample)),
        Part(
            "questions",
            (
                "failed_turns",
                "recall_at_5*",
                "answerable_answered*",
                "answered_wrong*",
                "follow_up_correct*",
                "unanswerable_refused*",
                "near_miss_refused*",
                "refusal_auroc*",
                "czech_on_english_answered",
            ),
            partial(questions, sample, chosen),
        ),
        Part("stackfaq", ("stackfaq_*",), partial(stackfaq, sample, chosen)),
        Part("bitcoin", ("bitcoin_cross_r1*",), partial(bitcoin, sample, chosen)),
        Part("install", ("base_*",), partial(install, sample), default=False),
        Part(
            "clone",
            ("chat_second_start_s", "chat_first_start_s"),
            partial(chat_in_clone, sample),
            default=False,
        ),
    ]


def print_figures(figures: Figures) -> None:
    """A line a figure, with its target where it has one."""
    print()
    for name, value in figures.items():
        line = f"{name:34} {value:>10.4g}"
        if name in TARGETS:
            sign, target = TARGETS[name]
            reached = value <= target if sign == "<" else value >= target
            line += f"   {sign}= {target:g} {'reached' if reached else 'MISSED'}"
        print(line)


def main() -> int:
    """Measure, print a line a figure, and the JSON object last."""
    parser = options(__doc__)
    parser.add_argument(
        "--questions", type=Path, metavar="FILE", default=DEVELOPMENT, help="labelled questions"
    )
    parser.add_argument("--show", action="store_true", help="print each wrong case in one line")
    chosen = parser.parse_args()
    if not chosen.questions.is_file():
        parser.error(f"no such file: {chosen.questions}")
    sample = SampleDesk()
    try:
        parts = choose(all_parts(sample, chosen), chosen.only, full=chosen.full)
    except ValueError as error:
        parser.error(str(error))
    try:
        run = run_parts(parts)
    finally:
        sample.remove()
    print_figures(run.figures)
    print(result_line("app_main_job", run.figures))
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
