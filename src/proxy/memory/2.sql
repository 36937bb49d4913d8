-- Version 2: the words of a finding are found by an index. Of a long text its start counts: an entry of the index may have 1 MiB.
ALTER TABLE silo_memory.findings ADD COLUMN words tsvector GENERATED ALWAYS AS (
  setweight(to_tsvector('pg_catalog.simple'::regconfig, title), 'A')
  || setweight(to_tsvector('pg_catalog.simple'::regconfig, left(body, 100000)), 'B')
) STORED;
CREATE INDEX findings_words ON silo_memory.findings USING gin (words);
UPDATE silo_memory.about SET version = 2;
