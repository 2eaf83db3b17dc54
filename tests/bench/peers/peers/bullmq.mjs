// BullMQ on a Redis that syncs its append-only file before each answer.

import { createRequire } from "node:module";
import { Queue, Worker } from "bullmq";
import Redis from "ioredis";

const { version } = createRequire(import.meta.url)("bullmq/package.json");
const NAME = "bench";
const CONCURRENCY = 100;
const connect = () => new Redis(process.env.BENCH_REDIS, { maxRetriesPerRequest: null });
let queue, redis;

export default {
  version,
  settings: `concurrency ${CONCURRENCY}, removeOnComplete, appendfsync always`,
  rescue: 60,
  async open({ fresh = true }) {
    redis = connect();
    if (fresh) await redis.flushall();
    queue = new Queue(NAME, { connection: redis, defaultJobOptions: { removeOnComplete: true } });
    await queue.waitUntilReady();
  },
  add: (payload) => queue.add("task", payload),
  async addMany(payloads) {
    for (let from = 0; from < payloads.length; from += 1_000) {
      await queue.addBulk(payloads.slice(from, from + 1_000).map((data) => ({ name: "task", data })));
    }
  },
  async work(start, { concurrency = CONCURRENCY }) {
    const worker = new Worker(NAME, (job) => start(job.data), { connection: connect(), concurrency });
    worker.on("error", () => {});
    await worker.waitUntilReady();
    return { stop: () => worker.close(true) };
  },
  async left() {
    const counts = await queue.getJobCounts("waiting", "active", "delayed", "prioritized");
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  },
  async close() {
    await queue?.close();
    redis?.disconnect();
  },
};
