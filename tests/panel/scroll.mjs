// How smooth the list of tasks is with a million of them: `npm run scroll` prints figures and keeps them
// in docs/results/panel-scroll.json. VIVARIUM_FILL names the program that fills the queue
// (cargo build --release -p vivarium-bench --bin fill), VIVARIUM_TASKS another count.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { CRITIQUE, World, browser, script, signedIn } from "./world.mjs";

const TASKS = Number(process.env.VIVARIUM_TASKS ?? 1_000_000);
const FILL = process.env.VIVARIUM_FILL ?? join(import.meta.dirname, "../../target/release/fill");
const SCROLL_MS = 10_000;
const run = promisify(execFile);

const began = Date.now();
const world = await World.start(script([], CRITIQUE), (root) => run(FILL, ["--world", root, "--tasks", String(TASKS)]));
const filled = Date.now() - began;
const chrome = await browser();
const result = { tasks: TASKS, cpus: cpus().length, model: cpus()[0].model, chromium: chrome.version(), filled_s: Math.round(filled / 1000) };

try {
  const page = await signedIn(chrome, world);
  await page.goto(new URL("/tasks", world.link).href);
  const list = page.getByRole("grid", { name: "Tasks" });
  await list.waitFor({ timeout: 120_000 });
  const rows = () => page.waitForFunction(() => {
    const rows = [...document.querySelectorAll(".task-row")];
    return rows.length > 5 && rows.every((row) => row.querySelector(".row-link"));
  });
  await rows();
  result.rows = Number(await list.getAttribute("aria-rowcount"));
  result.load_before = loadavg()[0];

  // Wheel turns as a hand makes them, for ten seconds; every frame is timed by the page itself.
  await list.hover();
  await page.evaluate((ms) => {
    window.frames_ = new Promise((resolve) => {
      const frames = [];
      let last = performance.now();
      const end = last + ms;
      const frame = (now) => {
        frames.push(now - last);
        last = now;
        if (now < end) requestAnimationFrame(frame);
        else resolve(frames);
      };
      requestAnimationFrame(frame);
    });
  }, SCROLL_MS);
  const until = Date.now() + SCROLL_MS;
  while (Date.now() < until) await page.mouse.wheel(0, 360);
  result.scroll = shares(await page.evaluate(() => window.frames_));
  result.scrolled_to = await page.evaluate(() => Number(document.querySelector(".task-row").ariaRowIndex));

  // The bar is dragged to places all over the list: from the jump to rows that are there.
  const jumps = [];
  for (const part of [0.5, 0.1, 0.9, 0.31, 0.77, 1, 0]) {
    const start = Date.now();
    await list.evaluate((node, part) => { node.scrollTop = part * (node.scrollHeight - node.clientHeight); }, part);
    await page.waitForTimeout(20);
    await rows();
    jumps.push(Date.now() - start);
  }
  result.jump_ms = shares(jumps);
  result.last_row = await (async () => {
    await list.focus();
    await page.keyboard.press("End");
    await page.locator(`#row-${TASKS - 1} .row-link`).waitFor();
    return (await page.locator(`#row-${TASKS - 1}`).getAttribute("aria-rowindex"));
  })();

  for (const [name, query] of [["cancelled", "state=ended"], ["oldest", "sort=oldest"], ["priority", "sort=priority"], ["tag", "tag=water"], ["tag_priority", "tag=water&sort=priority"], ["words", "q=ferry"], ["words_rare", "q=part%20777777"], ["submitter", "by=operator:bench"]]) {
    const address = new URL(`/tasks?${query}`, world.link).href;
    const start = Date.now();
    await page.goto(address);
    await page.getByRole("grid", { name: "Tasks" }).locator(".row-link").first().waitFor({ timeout: 60_000 });
    result[`open_${name}_ms`] = Date.now() - start;
  }
  result.heap_mb = await page.evaluate(() => Math.round((performance.memory?.usedJSHeapSize ?? 0) / 1e6));
  result.elements = await page.evaluate(() => document.querySelectorAll("*").length);
  result.faults = page.faults;
  result.load_after = loadavg()[0];
} finally {
  await chrome.close();
  await world.stop();
}

const text = `${JSON.stringify(result, null, 2)}\n`;
process.stdout.write(text);
if (TASKS >= 1_000_000) await writeFile(join(import.meta.dirname, "../../docs/results/panel-scroll.json"), text);
if (result.scroll.p95 > 20) {
  process.stderr.write(`p95 of a frame is ${result.scroll.p95} ms, over 20\n`);
  process.exitCode = 1;
}

function shares(times) {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (share) => Math.round(10 * sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]) / 10;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
