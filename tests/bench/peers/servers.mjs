// PostgreSQL, Redis and NATS for one run of the bench: on loopback, with data below one folder.
//
// `node servers.mjs FOLDER` prints one line of JSON with their addresses and process ids, and ends
// them when its input ends or it is told to. A server that is not installed is named with the reason.
// The kernel ends them if this process is killed.

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const folder = resolve(process.argv[2]);
const here = fileURLToPath(new URL(".", import.meta.url));
const running = [];

const text = (command, args) => execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

function find(name, places) {
  const found = places.map((place) => join(place, name)).find(existsSync);
  if (found) return found;
  try {
    return text("which", [name]);
  } catch {
    throw new Error(`${name} is not installed`);
  }
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Someone else than root: initdb refuses root. */
function nobody() {
  if (process.getuid() !== 0) return [];
  const user = ["postgres", "nobody"].find((name) => {
    try { return text("id", ["-u", name]); } catch { return false; }
  });
  return [`--reuid=${text("id", ["-u", user])}`, `--regid=${text("id", ["-g", user])}`, "--clear-groups"];
}

function own(path, as) {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o700);
  if (as.length > 0) text("chown", [as[0].split("=")[1], path]);
}

async function start(as, command, args, port) {
  const log = [];
  const child = spawn("setpriv", [...as, "--pdeathsig", "KILL", command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", (data) => log.push(data));
  child.stderr.on("data", (data) => log.push(data));
  running.push(child);
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${Buffer.concat(log)}`);
    const open = await new Promise((done) => {
      const socket = createConnection(port, "127.0.0.1", () => { socket.destroy(); done(true); });
      socket.on("error", () => done(false));
    });
    if (open) return child.pid;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${command} does not listen`);
}

async function postgres() {
  const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").sort((a, b) => b - a) : [];
  const places = versions.map((version) => `/usr/lib/postgresql/${version}/bin`);
  const [initdb, server] = [find("initdb", places), find("postgres", places)];
  const [data, as, port] = [join(folder, "postgres"), nobody(), await freePort()];
  own(data, as);
  text("setpriv", [...as, "--pdeathsig", "KILL", initdb, "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"]);
  const set = {
    listen_addresses: "127.0.0.1", port, unix_socket_directories: data, max_connections: 300,
    shared_buffers: "256MB", fsync: "on", synchronous_commit: "on",
  };
  const settings = Object.entries(set).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const pid = await start(as, server, ["-D", data, ...settings], port);
  const url = `postgres://bench@127.0.0.1:${port}/postgres`;
  for (let tries = 0; ; tries += 1) {
    try {
      text("psql", [url, "-c", "SELECT 1"]);
      break;
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  const version = text(server, ["--version"]).replace(/^\D*([\d.]+).*$/, "$1");
  return { address: url, pid, version, settings: set, pgbench: find("pgbench", places) };
}

async function redis() {
  const server = find("redis-server", []);
  const [data, port] = [join(folder, "redis"), await freePort()];
  own(data, []);
  const set = { appendonly: "yes", appendfsync: "always", save: "" };
  const settings = Object.entries(set).flatMap(([name, value]) => [`--${name}`, value]);
  const pid = await start([], server, ["--bind", "127.0.0.1", "--port", String(port), "--dir", data, ...settings], port);
  const version = text(server, ["--version"]).replace(/^.*v=([\d.]+).*$/, "$1");
  return { address: `redis://127.0.0.1:${port}`, pid, version, settings: set };
}

async function nats() {
  const server = find("nats-server", [join(here, ".venv/bin")]);
  const [data, port] = [join(folder, "nats"), await freePort()];
  own(data, []);
  const config = join(folder, "nats.conf");
  writeFileSync(config, `
host: 127.0.0.1
port: ${port}
jetstream { store_dir: "${data}", sync_interval: always, max_file_store: 8GB }
`);
  const pid = await start([], server, ["-c", config], port);
  const version = text(server, ["--version"]).replace(/^\D*([\d.]+).*$/, "$1");
  return { address: `nats://127.0.0.1:${port}`, pid, version, settings: { sync_interval: "always" } };
}

async function end() {
  await Promise.all(running.map((child) => new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    child.on("exit", done);
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGKILL"), 5000);
  })));
  process.exit(0);
}

mkdirSync(folder, { recursive: true });
// The database's user must be able to pass through.
chmodSync(folder, 0o711);
const told = {};
for (const [name, begin] of Object.entries({ postgres, redis, nats })) {
  try {
    told[name] = await begin();
  } catch (error) {
    told[name] = { missing: String(error.message).split("\n")[0] };
  }
}
process.stdin.on("end", end).on("close", end).resume();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end);
process.stdout.write(JSON.stringify(told) + "\n");
