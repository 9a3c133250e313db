-- Tables of knowledge.db. SQLite is the truth; vectors in Chroma without a row here do not count.
PRAGMA user_version = 1;

CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- What the operator added: a folder or a single file.
CREATE TABLE IF NOT EXISTS roots (path TEXT PRIMARY KEY) STRICT;

CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    root TEXT NOT NULL REFERENCES roots (path) ON DELETE CASCADE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL  -- 0: read it again, whatever its date
) STRICT;
CREATE INDEX IF NOT EXISTS files_root ON files (root);

CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    source TEXT NOT NULL UNIQUE,  -- its name in citations
    own TEXT NOT NULL,  -- the name it asked for
    title TEXT NOT NULL,
    kind TEXT NOT NULL,
    language TEXT NOT NULL,
    questions TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_file ON entries (file);

-- AUTOINCREMENT: an id is never used twice, so a stale vector can never stand for a newer passage.
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    blocks TEXT NOT NULL,
    terms TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS passages_entry ON passages (entry);

-- Passages whose vectors are not settled yet: to be written where the passage exists, to be deleted
-- where it does not. `questions` is the number of its question vectors.
CREATE TABLE IF NOT EXISTS journal (
    passage INTEGER PRIMARY KEY,
    questions INTEGER NOT NULL
) STRICT;

CREATE VIRTUAL TABLE IF NOT EXISTS keywords USING fts5 (
    terms, content='passages', content_rowid='id', tokenize="unicode61 remove_diacritics 2"
);
CREATE TRIGGER IF NOT EXISTS passages_insert AFTER INSERT ON passages BEGIN
    INSERT INTO keywords (rowid, terms) VALUES (new.id, new.terms);
END;
CREATE TRIGGER IF NOT EXISTS passages_delete AFTER DELETE ON passages BEGIN
    INSERT INTO keywords (keywords, rowid, terms) VALUES ('delete', old.id, old.terms);
END;
