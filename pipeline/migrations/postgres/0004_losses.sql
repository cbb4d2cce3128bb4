-- Only adds: rows of earlier versions were lost with nobody.

-- Processes that were lost and may have had the item in hand; tries of the item alone that have begun and not ended.
ALTER TABLE journal ADD COLUMN lost integer NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN begun integer NOT NULL DEFAULT 0;

-- One row while a queue works with the journal: found at the start, it says that the last one was lost.
CREATE TABLE journal_opened (
    one          smallint PRIMARY KEY CHECK (one = 1)
);
