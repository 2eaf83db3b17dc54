// One cell of one peer: `node run.mjs PEER CELL [--n N] [--clients C] [--seconds S]`, one line of JSON.
//
// Where the servers are is told by the environment: BENCH_POSTGRES, BENCH_REDIS, BENCH_NATS
// (`servers.mjs` starts them). Nothing here starts or ends a server.

import { CELLS } from "./cells.mjs";

const PEERS = {
  "graphile-worker": () => import("./peers/graphile.mjs").then((peer) => peer.standard),
  "graphile-worker-local-queue": () => import("./peers/graphile.mjs").then((peer) => peer.localQueue),
  "pg-boss": () => import("./peers/pg-boss.mjs").then((peer) => peer.default),
  bullmq: () => import("./peers/bullmq.mjs").then((peer) => peer.default),
  "nats-jetstream": () => import("./peers/nats.mjs").then((peer) => peer.default),
  "skip-locked-1": () => import("./peers/skip-locked.mjs").then((peer) => peer.oneByOne),
  "skip-locked-500": () => import("./peers/skip-locked.mjs").then((peer) => peer.batched),
};

const [name, cell, ...rest] = process.argv.slice(2);
const settings = { n: 20_000, clients: 64, seconds: 4 };
for (let index = 0; index < rest.length; index += 2) settings[rest[index].slice(2)] = Number(rest[index + 1]);

if (!PEERS[name] || !(cell in CELLS)) {
  const list = (names) => names.join(", ");
  console.error(`usage: node run.mjs PEER CELL [--n N] [--clients C] [--seconds S]
peers: ${list(Object.keys(PEERS))}
cells: ${list(Object.keys(CELLS))}`);
  process.exit(2);
}

const peer = { name, ...(await PEERS[name]()) };
// A peer with its own load generator brings its own cells.
const measured = peer.cells
  ? await (peer.cells[cell]?.(settings) ?? { skipped: "this peer has no such cell" })
  : await CELLS[cell](peer, settings);
await peer.close?.();
process.stdout.write(JSON.stringify({
  peer: name, cell, ...measured, version: peer.version, settings: peer.settings,
}) + "\n", () => process.exit(0));
