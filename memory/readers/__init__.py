"""Readers turn one file into entries: Markdown, plain text, HTML, CSV and JSONL FAQs."""

from deskhand.memory.readers.files import (
    MAX_FILE_BYTES,
    SUFFIXES,
    find_files,
    read_file,
)

__all__ = ["MAX_FILE_BYTES", "SUFFIXES", "find_files", "read_file"]
