// A hand-written queue on PostgreSQL, driven by pgbench: what SQL alone can do, with an audit row for
// each step. One by one, and in batches of 500.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { database, pool } from "./postgres.mjs";

const call = promisify(execFile);
const PGBENCH = process.env.BENCH_PGBENCH ?? "pgbench";

const TABLES = `
CREATE TABLE task (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL DEFAULT 'ready',
  priority int NOT NULL DEFAULT 0, owner int, payload jsonb NOT NULL
);
CREATE INDEX ready ON task (priority DESC, id) WHERE state = 'ready';
CREATE INDEX leased ON task (owner) WHERE state = 'leased';
CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task bigint NOT NULL, event text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION body() RETURNS jsonb IMMUTABLE LANGUAGE sql AS
  $$ SELECT jsonb_build_object('number', 1, 'text', repeat('x', 230)) $$;
`;

const add = (count) => `
WITH added AS (INSERT INTO task (payload) SELECT body() FROM generate_series(1, ${count}) RETURNING id)
INSERT INTO audit (task, event) SELECT id, 'added' FROM added;
`;

const life = (count) => `
WITH next AS (
  SELECT id FROM task WHERE state = 'ready' ORDER BY priority DESC, id LIMIT ${count} FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE task SET state = 'leased', owner = :client_id FROM next WHERE task.id = next.id RETURNING task.id
) INSERT INTO audit (task, event) SELECT id, 'leased' FROM taken;
WITH done AS (
  UPDATE task SET state = 'done' WHERE owner = :client_id AND state = 'leased' RETURNING id
) INSERT INTO audit (task, event) SELECT id, 'done' FROM done;
`;

/** Runs a script and reads each transaction's time from pgbench's log. */
async function pgbench(address, script, clients, limit) {
  const folder = await mkdtemp(join(tmpdir(), "vivarium-pgbench-"));
  try {
    await writeFile(join(folder, "script.sql"), script);
    const begun = performance.now();
    await call(PGBENCH, [
      "--no-vacuum", "--protocol=prepared", "--log", "--log-prefix=log", `--client=${clients}`, "--jobs=2",
      "--file=script.sql", ...limit, address,
    ], { cwd: folder, maxBuffer: 1 << 26 });
    const seconds = (performance.now() - begun) / 1000;
    const logs = (await readdir(folder)).filter((name) => name.startsWith("log"));
    const lines = await Promise.all(logs.map((name) => readFile(join(folder, name), "utf8")));
    const times = lines.flatMap((text) => text.trim().split("\n").map((line) => Number(line.split(" ")[2]) / 1000));
    times.sort((one, other) => one - other);
    const at = (share) => times[Math.floor((times.length - 1) * share)];
    return { count: times.length, seconds, p50_ms: at(0.5), p99_ms: at(0.99) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function skipLocked(name, batch) {
  const fresh = async () => {
    const address = await database(name);
    const tables = pool(address, 1);
    await tables.query(TABLES);
    return { address, tables };
  };
  const rate = ({ count, seconds, ...times }, tasks) =>
    ({ n: count * tasks, seconds, per_second: (count * tasks) / seconds, ...times });
  return {
    version: "PostgreSQL " + (process.env.BENCH_POSTGRES_VERSION ?? "unknown"),
    settings: `pgbench, prepared, batch ${batch}, synchronous_commit on`,
    cells: {
      async single({ clients, seconds }) {
        const { address, tables } = await fresh();
        await tables.end();
        return rate(await pgbench(address, "INSERT INTO task (payload) VALUES (body());", clients, [`--time=${seconds}`]), 1);
      },
      async bulk({ n }) {
        const { address, tables } = await fresh();
        await tables.end();
        const per = 500;
        return rate(await pgbench(address, add(per), 4, [`--transactions=${Math.ceil(n / per / 4)}`]), per);
      },
      async drain({ n, clients }) {
        const { address, tables } = await fresh();
        await tables.query(add(n));
        await tables.query("ANALYZE");
        const workers = batch > 1 ? 8 : clients;
        const each = Math.ceil(n / batch / workers);
        const measured = await pgbench(address, life(batch), workers, [`--transactions=${each}`]);
        const { rows } = await tables.query("SELECT count(*)::int AS done FROM task WHERE state = 'done'");
        await tables.end();
        return { ...rate(measured, batch), n: rows[0].done, per_second: rows[0].done / measured.seconds };
      },
    },
  };
}

export const oneByOne = skipLocked("skip_locked_one", 1);
export const batched = skipLocked("skip_locked_batch", 500);
