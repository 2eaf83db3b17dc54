// graphile-worker: as it comes, and with the local queue its own figures are made with.

import { createRequire } from "node:module";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { database, pool } from "./postgres.mjs";

const { version } = createRequire(import.meta.url)("graphile-worker/package.json");
const CONCURRENCY = 64;
// Its performance page: https://worker.graphile.org/docs/performance
const LOCAL_QUEUE = { size: 500, ttl: 300_000, refetchDelay: { durationMs: 10 } };

function graphile(name, worker, settings) {
  let adders, utils;
  return {
    version,
    settings,
    rescue: 4 * 3600,
    async open({ clients, fresh = true }) {
      const address = await database(name, fresh);
      adders = pool(address, clients);
      utils = await makeWorkerUtils({ pgPool: adders, logger: new Logger(() => () => {}) });
      if (fresh) await utils.migrate();
    },
    add: (payload) => utils.addJob("bench", payload),
    addMany: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: "bench", payload }))),
    async work(start) {
      const runner = await run({
        connectionString: adders.options.connectionString,
        taskList: { bench: (payload) => start(payload) },
        noHandleSignals: true,
        logger: new Logger(() => () => {}),
        preset: { worker },
      });
      return { stop: () => runner.stop() };
    },
    async left() {
      const { rows } = await adders.query("SELECT count(*)::int AS left FROM graphile_worker._private_jobs");
      return rows[0].left;
    },
    async close() {
      await utils?.release();
      await adders?.end();
    },
  };
}

const shared = { concurrentJobs: CONCURRENCY, maxPoolSize: 20 };

export const standard = graphile("graphile", shared, `concurrentJobs ${CONCURRENCY}, pool 20`);

export const localQueue = graphile(
  "graphile_local",
  { ...shared, localQueue: LOCAL_QUEUE, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  `concurrentJobs ${CONCURRENCY}, pool 20, localQueue ${LOCAL_QUEUE.size}, completeJobBatchDelay 0`,
);
