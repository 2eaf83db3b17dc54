// The five cells, the same for every peer. A peer only knows how to add, to work and what is left.
//
// A peer is an object:
//   version, settings        what runs, and how it is set
//   open({ clients })        connects and makes an empty queue
//   add(payload)             one task; resolves when the peer calls it durable
//   addMany(payloads)        many tasks, in the peer's own best way
//   work(start, options)     a worker that calls `start(payload)` as each handler begins
//   left()                   tasks that are not at their durable end state
//   rescue                   after how many seconds a dead worker's tasks run again by default
//   close()

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const RUN = fileURLToPath(new URL("run.mjs", import.meta.url));
const HELD = 100;
const PINGS = 80;
const RESCUE_MAX = 120;

const now = () => performance.now();
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** JSON of 256 bytes that carries a number. */
export function payload(number) {
  const head = `{"number":${String(number).padStart(8, "0")},"text":"`.replace(/:0+(\d)/, ":$1");
  return JSON.parse(head + "x".repeat(254 - head.length) + '"}');
}

function percentiles(times) {
  times.sort((one, other) => one - other);
  const at = (share) => times[Math.floor((times.length - 1) * share)] ?? null;
  return { p50_ms: at(0.5), p99_ms: at(0.99) };
}

function row(n, seconds, times = []) {
  return { n, seconds, per_second: n / seconds, ...percentiles(times) };
}

/** A: every client adds one task, waits for the durable answer, and adds the next. */
async function single(peer, { clients, seconds }) {
  await peer.open({ clients });
  const times = [];
  const begun = now();
  const end = begun + seconds * 1000;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    for (let number = client; ; number += clients) {
      const start = now();
      if (start >= end) return;
      await peer.add(payload(number));
      times.push(now() - start);
    }
  }));
  return row(times.length, (now() - begun) / 1000, times);
}

/** B: all tasks at once, as the peer likes it best. */
async function bulk(peer, { n, clients }) {
  await peer.open({ clients });
  const payloads = Array.from({ length: n }, (_, number) => payload(number));
  const begun = now();
  await peer.addMany(payloads);
  return row(n, (now() - begun) / 1000);
}

/** C: a full queue, workers whose handler does nothing, until the last end state is on disk. */
async function drain(peer, { n, clients }) {
  await peer.open({ clients });
  await peer.addMany(Array.from({ length: n }, (_, number) => payload(number)));
  let started = 0;
  const begun = now();
  const worker = await peer.work(async () => { started += 1; }, { purpose: "drain" });
  while (started < n || (await peer.left()) > 0) await sleep(5);
  const seconds = (now() - begun) / 1000;
  await worker.stop();
  return { ...row(n, seconds), started };
}

/** D: one task into an idle queue; the time until its handler begins. */
async function ping(peer, { clients }) {
  await peer.open({ clients });
  let arrived = () => {};
  const worker = await peer.work(async () => arrived(now()), { purpose: "ping" });
  const times = [];
  const begun = now();
  for (let number = 0; number < PINGS; number += 1) {
    const handled = new Promise((done) => { arrived = done; });
    await sleep(10 + (number % 10));
    const start = now();
    const [, end] = await Promise.all([peer.add(payload(number)), handled]);
    times.push(end - start);
  }
  const seconds = (now() - begun) / 1000;
  await worker.stop();
  return { ...row(PINGS, seconds, times), per_second: null };
}

/** E: a worker that holds tasks is killed; the time until all of them run in another. */
async function rescue(peer, { clients }) {
  if (peer.rescue > RESCUE_MAX) {
    return { n: HELD, seconds: null, per_second: null, skipped: `by default after ${peer.rescue} s` };
  }
  await peer.open({ clients });
  await peer.addMany(Array.from({ length: HELD }, (_, number) => payload(number)));
  const holder = spawn(process.execPath, [RUN, peer.name, "hold"], { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise((done, fail) => {
    holder.stdout.on("data", (text) => { if (String(text).includes("held")) done(); });
    holder.on("exit", (code) => fail(new Error(`the holder ended with ${code}`)));
  });
  holder.removeAllListeners("exit");
  const seen = new Set();
  let all = () => {};
  const ran = new Promise((done) => { all = done; });
  const times = [];
  const begun = now();
  holder.kill("SIGKILL");
  const worker = await peer.work(async ({ number }) => {
    if (!seen.has(number)) times.push(now() - begun);
    seen.add(number);
    if (seen.size === HELD) all(true);
  }, { purpose: "rescue" });
  const whole = await Promise.race([ran, sleep(RESCUE_MAX * 1000).then(() => false)]);
  const seconds = whole ? (now() - begun) / 1000 : null;
  await Promise.race([worker.stop(), sleep(2000)]);
  return { ...percentiles(times), n: seen.size, seconds, per_second: null };
}

/** The worker of `rescue` that dies: it takes what it gets and never ends. */
async function hold(peer) {
  await peer.open({ clients: 64, fresh: false });
  let started = 0;
  process.stdin.on("end", () => process.exit(1)).resume();
  await peer.work(() => {
    started += 1;
    if (started === HELD) process.stdout.write("held\n");
    return new Promise(() => {});
  }, { purpose: "hold", concurrency: HELD });
  await new Promise(() => {});
}

export const CELLS = { single, bulk, drain, ping, rescue, hold };
