// A world of real processes with a scripted model, and a browser that looks at it.

import { spawn, execFile } from "node:child_process";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { chromium } from "playwright-core";

const BIN = process.env.VIVARIUM_BIN ?? join(import.meta.dirname, "../../target/debug");
const CHROMIUM = process.env.VIVARIUM_CHROMIUM ?? "/usr/bin/chromium";
const SERVICES = ["queue", "executor", "society", "review", "gateway"];
const run = promisify(execFile);

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((resolve) => {
      const server = createServer();
      server.listen(0, "127.0.0.1", () => resolve(server));
    })),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function firstLine(child) {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`it ended with ${code} before a word`)));
  });
}

/** What the scripted model says: rules in order, as `tests/harness` reads them. */
export function script(rules, otherwise) {
  return JSON.stringify({ rule: rules, otherwise: { text: otherwise } });
}

/** A reply that stages one document and ends. */
export function document(title, body) {
  const actions = [
    { id: "w", do: "write_document", title, body },
    { id: "f", do: "finish", summary: "It is written.", needs: ["w"] },
  ];
  return JSON.stringify({ actions, done: true });
}

/** A critique with full marks. */
export const CRITIQUE = JSON.stringify({
  scores: { answers_request: 4, correct: 4, complete: 4, clear: 4, fits_constraints: 4 },
  issues: [],
  suggestions: [],
});

/** A running world. Stop it with `stop`. */
export class World {
  /** Starts one; `prepare` is given its folder before anything runs in it. */
  static async start(scriptText, prepare = async () => {}) {
    const world = new World();
    world.root = await mkdtemp(join(tmpdir(), "vivarium-"));
    const file = join(world.root, "script.json");
    await writeFile(file, scriptText);
    // It serves until its standard input is closed.
    world.model = spawn(join(BIN, "scripted-model"), [file], { stdio: ["pipe", "pipe", "inherit"] });
    const address = (await firstLine(world.model)).replace("ready ", "");
    const ports = await freePorts(SERVICES.length + 1);
    const names = [...SERVICES, "panel"];
    const lines = names.map((name, index) => `${name} = "127.0.0.1:${ports[index]}"`);
    await mkdir(join(world.root, "config"));
    await writeFile(join(world.root, "config/shared.toml"), `[addresses]\n${lines.join("\n")}\n`);
    await writeFile(join(world.root, "config/executor.toml"), `
[model]
order = ["scripted"]
[model.provider.scripted]
kind = "openai_compatible"
class = "embedded"
base_url = "http://${address}/v1"
key = ""
model = "scripted"
window_tokens = 32768
calls_per_minute = 60000
input_micro_usd = 100000
output_micro_usd = 200000
`);
    await prepare(world.root);
    world.supervisor = spawn(join(BIN, "vivarium"), ["--world", world.root, "--json", "up"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    world.link = JSON.parse(await firstLine(world.supervisor)).panel;
    await world.ask("pace", "0");
    return world;
  }

  /** Runs a command and reads what it prints. */
  async ask(...words) {
    const args = ["--world", this.root, "--json", ...words];
    const { stdout } = await run(join(BIN, "vivarium"), args);
    return JSON.parse(stdout);
  }

  async stop() {
    const ended = new Promise((resolve) => this.supervisor.once("exit", resolve));
    this.supervisor.kill("SIGINT");
    await ended;
    this.model.stdin.end();
    await rm(this.root, { recursive: true, force: true });
  }
}

/** A browser of its own. */
export async function browser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
}

/** A page that is signed in; every error in its console fails the test that asks for them. */
export async function signedIn(chrome, world, options = {}) {
  const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  await page.goto(world.link);
  await page.getByRole("heading", { name: "Now", level: 1 }).waitFor();
  return page;
}
