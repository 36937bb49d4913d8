-- The memory of silo's agents, version 1: findings, and the agents that have a role of their own.
-- A role may read all and write its own. Which are its own follows from the role it is connected as, and from nothing it says.
CREATE SCHEMA silo_memory;
COMMENT ON SCHEMA silo_memory IS 'Findings of agents, kept by silo';

CREATE TABLE silo_memory.about (version integer NOT NULL);
INSERT INTO silo_memory.about VALUES (1);

CREATE TABLE silo_memory.agents (
  key text PRIMARY KEY,
  role name NOT NULL UNIQUE,
  instance text NOT NULL,
  agent text NOT NULL,
  run text NOT NULL
);

CREATE TABLE silo_memory.findings (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  role name,
  instance text NOT NULL DEFAULT '' CHECK (octet_length(instance) <= 512),
  agent text NOT NULL DEFAULT '' CHECK (octet_length(agent) <= 512),
  run text NOT NULL DEFAULT '' CHECK (octet_length(run) <= 512),
  path text CHECK (octet_length(path) <= 512),
  title text NOT NULL DEFAULT '' CHECK (char_length(title) <= 200),
  kind text NOT NULL DEFAULT 'text' CHECK (octet_length(kind) BETWEEN 1 AND 32),
  body text NOT NULL CHECK (octet_length(body) <= 1048576),
  bytes bytea CHECK (octet_length(bytes) <= 1048576),
  size integer NOT NULL DEFAULT 0,
  sha256 text NOT NULL DEFAULT '',
  created timestamptz NOT NULL DEFAULT now(),
  saved timestamptz NOT NULL DEFAULT now()
);
-- What silo saves at the end of a run is there once, however often that end is reached. What agents write is not held against it.
CREATE UNIQUE INDEX findings_once ON silo_memory.findings (instance, run, path, sha256) WHERE role IS NULL;

-- What each role takes, counted as it writes: a look at all of its findings for each of them would take ever longer.
CREATE TABLE silo_memory.shares (role name PRIMARY KEY, number integer NOT NULL, bytes bigint NOT NULL);

CREATE FUNCTION silo_memory.finding() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own record;
  has record;
BEGIN
  NEW.size := coalesce(octet_length(NEW.bytes), octet_length(NEW.body));
  NEW.sha256 := encode(sha256(coalesce(NEW.bytes, convert_to(NEW.body, 'UTF8'))), 'hex');
  IF NEW.title = '' THEN
    NEW.title := coalesce(nullif(left(btrim(split_part(ltrim(NEW.body, E'# \t\r\n'), E'\n', 1)), 200), ''), 'untitled');
  END IF;
  SELECT * INTO own FROM silo_memory.agents WHERE agents.role = session_user;
  IF NOT FOUND THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'INSERT' THEN
    NEW.role := session_user;
    NEW.instance := own.instance;
    NEW.agent := own.agent;
    NEW.run := own.run;
    INSERT INTO silo_memory.shares AS s VALUES (session_user, 1, NEW.size)
    ON CONFLICT (role) DO UPDATE SET number = s.number + 1, bytes = s.bytes + excluded.bytes RETURNING s.* INTO has;
  ELSE
    UPDATE silo_memory.shares s SET bytes = s.bytes + NEW.size - OLD.size WHERE s.role = session_user RETURNING s.* INTO has;
  END IF;
  IF has.number > 10000 OR has.bytes > 67108864 THEN
    RAISE EXCEPTION 'the memory of this agent is full: 10000 findings or 64 MiB' USING ERRCODE = 'disk_full';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION silo_memory.finding() FROM PUBLIC;
CREATE TRIGGER finding BEFORE INSERT OR UPDATE OF title, body, bytes ON silo_memory.findings
FOR EACH ROW EXECUTE FUNCTION silo_memory.finding();

CREATE FUNCTION silo_memory.gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE silo_memory.shares SET number = number - 1, bytes = bytes - OLD.size WHERE role = OLD.role;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION silo_memory.gone() FROM PUBLIC;
CREATE TRIGGER gone AFTER DELETE ON silo_memory.findings FOR EACH ROW EXECUTE FUNCTION silo_memory.gone();

-- Not by a right to DELETE: who has that may lock the whole table.
CREATE FUNCTION silo_memory.remove(finding bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM silo_memory.findings WHERE id = finding AND role = session_user;
  RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION silo_memory.remove(bigint) FROM PUBLIC;

ALTER TABLE silo_memory.findings ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON silo_memory.findings FOR SELECT USING (true);
CREATE POLICY add ON silo_memory.findings FOR INSERT WITH CHECK (role = current_user);
CREATE POLICY change ON silo_memory.findings FOR UPDATE USING (role = current_user) WITH CHECK (role = current_user);
