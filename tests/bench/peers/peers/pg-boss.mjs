// pg-boss: its own batches of 250, eight pollers because each polls twice a second at most.

import { createRequire } from "node:module";
import PgBoss from "pg-boss";
import { database, pool } from "./postgres.mjs";

const { version } = createRequire(import.meta.url)("pg-boss/package.json");
const QUEUE = "bench";
const BATCH = 250;
const POLLERS = 8;
let boss, counts;

export default {
  version,
  settings: `batchSize ${BATCH}, ${POLLERS} pollers every 0.5 s (its least)`,
  rescue: 15 * 60,
  async open({ clients, fresh = true }) {
    const address = await database("pg_boss", fresh);
    counts = pool(address, 1);
    boss = new PgBoss({ connectionString: address, max: clients, supervise: false, schedule: false });
    boss.on("error", () => {});
    await boss.start();
    if (fresh) await boss.createQueue(QUEUE);
  },
  add: (payload) => boss.send(QUEUE, payload),
  addMany: (payloads) => boss.insert(payloads.map((data) => ({ name: QUEUE, data }))),
  async work(start) {
    const options = { batchSize: BATCH, pollingIntervalSeconds: 0.5 };
    for (let poller = 0; poller < POLLERS; poller += 1) {
      await boss.work(QUEUE, options, (jobs) => Promise.all(jobs.map((job) => start(job.data))));
    }
    return { stop: () => boss.offWork(QUEUE) };
  },
  async left() {
    const { rows } = await counts.query("SELECT count(*)::int AS left FROM pgboss.job WHERE state < 'completed'");
    return rows[0].left;
  },
  async close() {
    await boss?.stop({ graceful: false, wait: false });
    await counts?.end();
  },
};
