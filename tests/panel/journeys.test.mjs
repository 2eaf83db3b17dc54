// The journeys of a person through the panel. They wait for what is on the page, never for time.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { CRITIQUE, World, browser, document, script, signedIn } from "./world.mjs";

const HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">";
const essay = (subject) => `# ${subject}\n\nThis page answers the request: ${subject}. It says what the \
matter is, why it is so, and what a reader can do with it.\n\n## What it is\n\nThe subject, ${subject}, \
is looked at from its beginning, part after part, without taking anything for granted.\n\n${HOSTILE}\n`;

// It reads something first, so that its wish for a program needs a person.
const COUNT = JSON.stringify({
  actions: [
    { id: "e", do: "echo", text: "count" },
    { id: "c", do: "run_command", program: "wc", args: ["-l", "gauge.md"] },
  ],
});

let world, chrome, page;

before(async () => {
  const rules = [
    { contains: "You are a critic.", reply: { text: CRITIQUE } },
    { contains: "exit code 0", reply: { text: document("The gauge", essay("the gauge")) } },
    { contains: "Task: Count the gauge", reply: { text: COUNT } },
    { contains: "Task: ", reply: { text: document("{{after:Task: }}", essay("{{after:Task: }}")), delay_ms: 5 } },
  ];
  world = await World.start(script(rules, CRITIQUE));
  chrome = await browser();
  page = await signedIn(chrome, world);
});

after(async () => {
  await chrome?.close();
  await world?.stop();
});

async function addByHand(instruction) {
  await page.keyboard.press("c");
  await page.getByLabel("What is to be done").fill(instruction);
  await page.getByRole("button", { name: "Add the task" }).click();
  await page.getByRole("heading", { name: instruction, level: 1 }).waitFor();
}

test("a task is added, drafted, approved and read in the library", async () => {
  await addByHand("Describe the tides of a harbour");
  await page.getByRole("button", { name: "Approve and publish" }).click();
  await page.getByText("Approved", { exact: true }).first().waitFor();
  await page.goto(new URL("/world/library", world.link).href);
  await page.getByRole("link", { name: /Describe the tides of a harbour/ }).click();
  await page.getByRole("article").getByRole("heading", { name: "Describe the tides of a harbour" }).waitFor();
  await page.getByText("Cost", { exact: true }).waitFor();
});

test("script tags in a model's text are text", async () => {
  await page.goto(new URL("/world/library", world.link).href);
  await page.getByRole("link", { name: /Describe the tides of a harbour/ }).click();
  await page.getByText("<script>document.title").waitFor();
  assert.equal(await page.locator(".prose script, .prose img").count(), 0);
  assert.notEqual(await page.title(), "owned");
});

test("work is sent back with a reason that the next attempt is told", async () => {
  await addByHand("Describe the winds of a harbour");
  await page.getByRole("button", { name: "Ask for changes…" }).click();
  await page.getByLabel("What to do better").fill("name the trade wind");
  await page.getByRole("button", { name: "Send it back" }).click();
  await page.getByRole("heading", { name: "Feedback for the next attempt" }).waitFor();
  await page.getByText("name the trade wind").first().waitFor();
});

test("work is decided in the inbox, where it was chosen from the list", async () => {
  await world.ask("add", "Describe the ropes of a harbour");
  await page.goto(new URL("/inbox", world.link).href);
  const entry = page.getByRole("navigation", { name: "What waits" }).getByRole("link", { name: /ropes of a harbour/ });
  await entry.click();
  await page.getByRole("button", { name: "Approve and publish" }).click();
  await entry.waitFor({ state: "detached" });
});

test("a task that waits names what is in its way, is edited and looked back at", async () => {
  await world.ask("add", "Describe the nets of a harbour", "--key", "nets");
  await world.ask("add", "Describe the catch of a harbour", "--key", "catch", "--after", "nets");
  await page.goto(new URL("/tasks", world.link).href);
  await page.getByRole("link", { name: /catch of a harbour/ }).first().click();
  await page.getByText("In its way").waitFor();
  await page.getByRole("button", { name: "Edit…" }).click();
  await page.getByLabel("Priority").fill("12");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Must be 0 to 9").waitFor();
  await page.getByLabel("Priority").fill("9");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("was edited").waitFor();
  const slider = page.getByLabel("Step to look back to");
  await slider.focus();
  await page.keyboard.press("Home");
  await page.getByText("priority 5").waitFor();
});

test("what failed is opened again from its list", async () => {
  await world.ask("add", "--key", "missing", "--local", "cat", "nothing-of-this-name.md");
  await page.goto(new URL("/tasks?state=ended", world.link).href);
  await page.getByRole("button", { name: "Open all again" }).click();
  await page.getByText("They start anew").waitFor();
});

const grid = () => page.getByRole("grid", { name: "Tasks" });
const rowOf = (name) => grid().getByRole("row").filter({ hasText: name });

test("a view of the list is its address, and can be kept by name", async () => {
  await world.ask("add", "Describe the buoys of a harbour", "--key", "buoys", "--tag", "sea", "--not-before", "2099-01-01T00:00:00Z");
  await page.goto(new URL("/tasks", world.link).href);
  await page.getByLabel("Search tasks").fill("buoys");
  await page.waitForURL(/q=buoys/);
  await page.getByText("1 task", { exact: true }).waitFor();
  await page.getByLabel("Sort").selectOption("oldest");
  await page.waitForURL(/sort=oldest/);
  await page.getByRole("button", { name: "Keep this view…" }).click();
  await page.getByLabel("Its name").fill("Buoys first");
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.goto(new URL("/tasks", world.link).href);
  await page.getByRole("link", { name: "Buoys first" }).click();
  await page.waitForURL(/sort=oldest&q=buoys/);
  assert.equal(await page.getByLabel("Search tasks").inputValue(), "buoys");
  await rowOf("buoys of a harbour").waitFor();
  await page.goBack();
  await page.waitForURL(/tasks$/);
  await page.waitForFunction(() => document.querySelector("[data-search]").value === "");
  await page.getByRole("button", { name: "Remove the view Buoys first" }).click();
  await page.getByRole("link", { name: "Buoys first" }).waitFor({ state: "detached" });
});

test("many tasks are chosen, set aside together and taken up again by Undo", async () => {
  for (const name of ["quays", "piers", "docks"]) {
    await world.ask("add", `Inspect the ${name}`, "--tag", "stone", "--not-before", "2099-01-01T00:00:00Z");
  }
  await page.goto(new URL("/tasks?tag=stone", world.link).href);
  await rowOf("quays").waitFor();
  await grid().focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Shift+ArrowDown");
  await page.getByText("2 chosen").waitFor();
  await page.getByLabel("Choose Inspect the quays").click({ modifiers: ["Shift"] });
  await page.getByText("3 chosen").waitFor();
  await page.getByRole("button", { name: "Set aside" }).click();
  await page.getByText("3 tasks set aside").waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".task-row .badge").length === 3
    && [...document.querySelectorAll(".task-row .badge")].every((badge) => badge.textContent === "Set aside"));
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("3 tasks are as before").waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll(".task-row .badge")].every((badge) => badge.textContent === "Queued"));
});

test("what is refused of many says why, and the rest is done", async () => {
  await page.goto(new URL("/tasks?tag=stone", world.link).href);
  await page.getByLabel("Choose Inspect the piers").click();
  await page.getByRole("button", { name: "Set aside" }).click();
  await page.getByText("1 task set aside").waitFor();
  await rowOf("piers").getByText("Set aside").waitFor();
  await grid().focus();
  await page.keyboard.press("Control+a");
  await page.getByText("3 chosen").waitFor();
  await page.getByRole("button", { name: "Take up again" }).click();
  await page.getByText("1 task taken up again, 2 refused.").waitFor();
  await page.getByText("2 chosen").waitFor();
  await page.getByLabel("Give a priority").selectOption("9");
  await page.getByText("2 tasks given priority 9").waitFor();
  await page.getByLabel("Choose Inspect the docks").click();
  await page.getByRole("button", { name: "Cancel…" }).click();
  await page.getByRole("button", { name: "Cancel the tasks" }).click();
  await page.getByText("1 task cancelled").waitFor();
  await rowOf("docks").getByText("Cancelled").waitFor();
});

test("a task shows what is before and after it", async () => {
  const away = ["--not-before", "2099-01-01T00:00:00Z"];
  await world.ask("add", "Survey the shoal", "--key", "shoal", ...away);
  await world.ask("add", "Draw the chart", "--key", "chart", "--after", "shoal");
  await world.ask("add", "Print the chart", "--key", "print", "--after", "chart");
  await page.goto(new URL("/tasks/chart", world.link).href);
  await page.getByRole("heading", { name: "Before and after" }).waitFor();
  await page.getByText("As a list").click();
  await page.getByRole("listitem").filter({ hasText: "after Draw the chart" }).waitFor();
  await page.getByRole("link", { name: "Survey the shoal, queued" }).click();
  await page.getByRole("heading", { name: "Survey the shoal", level: 1 }).waitFor();
});

test("a recurrence is created, set aside and ended", async () => {
  await page.goto(new URL("/tasks/recurring", world.link).href);
  await page.getByRole("button", { name: "Create the first one" }).click();
  await page.getByRole("button", { name: "Create it" }).click();
  await page.getByText("Say what to do").waitFor();
  await page.getByLabel("What is to be done each time").fill("Write the harbour report");
  await page.getByLabel("Key", { exact: true }).fill("harbour-report");
  await page.getByText("By the clock").click();
  await page.getByLabel("Pattern").fill("0 9 * * 1");
  await page.getByRole("button", { name: "Create it" }).click();
  await page.getByText("At 0 9 * * 1 (UTC)").waitFor();
  await page.getByRole("button", { name: "Set aside" }).click();
  await page.getByRole("button", { name: "Take up again" }).click();
  await page.getByRole("button", { name: "End", exact: true }).click();
  await page.getByText("Nothing recurs").waitFor();
  await page.getByLabel("Show those that are over").click();
  await page.getByText("harbour-report").waitFor();
});

test("what is wrong with a form stands below its field", async () => {
  await page.goto(new URL("/tasks?new=1", world.link).href);
  await page.getByLabel("Priority").fill("12");
  await page.getByRole("button", { name: "Add the task" }).click();
  await page.getByText("Must be 0 to 9").waitFor();
  await page.getByText("Say what to do").waitFor();
  await page.keyboard.press("Escape");
});

test("money is followed from its sum to the task it was spent on, and a limit is changed with a reason", async () => {
  await page.goto(new URL("/", world.link).href);
  await page.getByRole("heading", { name: "Now", level: 1 }).waitFor();
  await addByHand("Describe the gulls of a harbour");
  await page.getByRole("button", { name: "Approve and publish" }).waitFor();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Spend" }).click();
  const table = page.getByRole("table");
  const together = async () => (await table.locator("tfoot .sums-cost").textContent()).trim();
  await table.getByRole("rowheader").getByRole("link").first().waitFor();
  const whole = await together();
  assert.match(whole, /^\$0\.\d*[1-9]/, "something was spent");
  for (const group of ["model", "day", "task"]) {
    await page.getByRole("link", { name: `By ${group}` }).click();
    await table.getByRole("columnheader", { name: group, exact: false }).first().waitFor();
    await page.waitForFunction((whole) => document.querySelector(".sums tfoot .sums-cost")?.textContent.trim() === whole, whole);
  }
  await page.getByRole("listitem").filter({ has: page.locator(".days-one") }).last().getByRole("link").click();
  await page.waitForURL(/days=\d{4}-\d{2}-\d{2}/);
  await table.getByRole("link", { name: "Describe the gulls of a harbour" }).waitFor();

  await page.getByRole("button", { name: "Change the limit: The world, today" }).click();
  await page.getByLabel("New limit in dollars").fill("many");
  await page.getByRole("button", { name: "Set the limit" }).click();
  await page.getByText("Must be an amount such as 1.50").waitFor();
  await page.getByLabel("New limit in dollars").fill("1.25");
  await page.getByRole("button", { name: "Set the limit" }).click();
  await page.getByText("Has 0 characters, at least 3 are needed").waitFor();
  await page.getByLabel("Why").fill("a calm day");
  await page.getByRole("button", { name: "Set the limit" }).click();
  await page.getByText("of $1.25").waitFor();

  await table.getByRole("link", { name: "Describe the gulls of a harbour" }).click();
  await page.getByRole("heading", { name: "Describe the gulls of a harbour", level: 1 }).waitFor();
});

test("what was stopped is read with its rule, and a command is judged without running", async () => {
  const { taskIds } = await world.ask("add", "Never send the api keys to anyone");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Safety" }).click();
  const stopped = page.getByRole("region", { name: "What was stopped" });
  const held = stopped.getByRole("listitem").filter({ hasText: "Never send the api keys" });
  await held.getByText("held for you").waitFor();
  await held.getByText("exfiltration").first().waitFor();
  await stopped.getByRole("button", { name: /Tasks blocked/ }).click();
  await stopped.getByText("No task was blocked yet").waitFor();
  await stopped.getByRole("button", { name: /Tasks held/ }).click();
  await held.getByRole("link", { name: /Never send the api keys/ }).waitFor();

  const rule = page.getByRole("region", { name: "Rules" }).getByRole("group").filter({ hasText: "exfiltration" });
  await rule.getByText("1 held").waitFor();
  await rule.getByText("exfiltration", { exact: true }).click();
  await rule.getByText("What follows").waitFor();
  await page.getByRole("region", { name: "The sandbox" }).getByText("seccomp", { exact: true }).waitFor();
  await page.getByRole("region", { name: "Programs that may run" }).getByText("wc", { exact: true }).waitFor();

  await page.getByRole("button", { name: "Try it" }).click();
  await page.getByText("Must be 1 to 64").waitFor();
  await page.getByLabel("Program", { exact: true }).fill("wc");
  await page.getByLabel("Arguments, one a line").fill("-l\n../mutable/keys");
  await page.getByRole("button", { name: "Try it" }).click();
  await page.getByText("Argument 2").waitFor();
  await page.getByText("COMMAND_ARGUMENT_REFUSED").waitFor();
  await page.getByLabel("Arguments, one a line").fill("-l\nsea.md");
  await writeFile(join(world.root, "library/sea.md"), "wide\n");
  await page.getByRole("button", { name: "Try it" }).click();
  await page.getByText("would run").waitFor();

  await page.getByRole("button", { name: "Raise to this… run_sandboxed" }).click();
  await page.getByLabel("Why").fill("to see it");
  await page.getByRole("button", { name: "Raise it" }).click();
  await page.getByRole("dialog").getByText(/must be run_sandboxed/i).waitFor();
  await page.getByLabel("The level's name, to confirm").fill("run_sandboxed");
  await page.getByRole("button", { name: "Raise it" }).click();
  await page.getByRole("button", { name: "Lower to this… docs_only" }).click();
  await page.getByLabel("Why").fill("seen");
  await page.getByRole("button", { name: "Lower it" }).click();
  await page.getByRole("button", { name: "Raise to this… run_sandboxed" }).waitFor();
  await world.ask("cancel", taskIds[0]);
});

test("a resident is let run programs, and each is read before it is allowed", async () => {
  await world.ask("mode", "run_sandboxed", "--confirm", "run_sandboxed");
  await writeFile(join(world.root, "library/gauge.md"), "one\ntwo\nthree\n");
  await page.goto(new URL("/world", world.link).href);
  await page.locator("a[href^='/world/residents/']").first().click();
  await page.waitForURL(/residents/);
  const resident = page.url().split("/").at(-1);
  await page.getByRole("button", { name: "Let it run programs…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Days").fill("29");
  await dialog.getByLabel("Why").fill("counts well");
  await dialog.getByRole("button", { name: "Let it run programs" }).click();
  await dialog.getByText(/must be run_sandboxed/i).waitFor();
  await dialog.getByText(/1 to 28/).last().waitFor();
  await dialog.getByLabel("The level's name, to confirm").fill("run_sandboxed");
  await dialog.getByLabel("Days").fill("7");
  await dialog.getByRole("button", { name: "Let it run programs" }).click();
  const may = page.getByRole("region", { name: "What it may do" });
  await may.getByText("ends in").waitFor();

  await page.keyboard.press("c");
  await page.getByLabel("What is to be done").fill("Count the gauge");
  await page.getByLabel("Who does it").selectOption(resident);
  await page.getByText("More", { exact: true }).click();
  await page.getByText("Checks alone", { exact: true }).click();
  await page.getByText("Nobody reads it").waitFor();
  await page.getByLabel("The resident's hat").selectOption("reviewer");
  await page.getByLabel("Listed programs may run for it").check();
  await page.getByRole("button", { name: "Add the task" }).click();
  await page.getByRole("heading", { name: "Count the gauge", level: 1 }).waitFor();
  const held = page.getByRole("region", { name: "A program to decide about" });
  await held.getByText("wc -l gauge.md (in library)").waitFor();
  await page.getByRole("button", { name: "Refuse it…" }).click();
  await page.getByLabel("Why").fill("count by hand");
  await page.getByRole("button", { name: "Refuse the program" }).click();
  // It asks again, and now it may.
  await page.getByText("Do it without: count by hand").first().waitFor();
  await page.getByRole("button", { name: "Allow the program" }).click();
  await page.getByText("Approved", { exact: true }).first().waitFor();
  assert.equal(await held.count(), 0);

  await page.goto(new URL(`/world/residents/${resident}`, world.link).href);
  await may.getByRole("button", { name: "Take it back" }).click();
  await may.getByRole("button", { name: "Let it run programs…" }).waitFor();
  await world.ask("mode", "docs_only");
});

test("the keyboard leads everywhere", async () => {
  for (const [keys, heading] of [["gt", "Tasks"], ["gi", "Inbox"], ["gw", "World"], ["gm", "Spend and models"], ["gy", "Safety"], ["gs", "Settings"], ["gn", "Now"]]) {
    for (const key of keys) await page.keyboard.press(key);
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
  }
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys and help" }).waitFor();
  await page.keyboard.press("Escape");
});

test("a halt is held, seen everywhere and ended", async () => {
  await page.goto(new URL("/", world.link).href);
  await page.getByText("Halt everything").click();
  const button = page.getByRole("button", { name: "Hold to halt the world" });
  await button.focus();
  await page.keyboard.down("Enter");
  await page.getByText("The world is halted by").waitFor();
  await page.keyboard.up("Enter");
  await page.getByRole("button", { name: "Resume the world" }).click();
  await page.getByText("The world is halted by").waitFor({ state: "detached" });
});

test("the human posts into a room", async () => {
  await page.goto(new URL("/world/rooms/town_hall", world.link).href);
  await page.getByLabel("Say something").fill("Good morning, all");
  await page.getByRole("button", { name: "Post as human" }).click();
  await page.getByRole("listitem").filter({ hasText: "Good morning, all" }).waitFor();
});

test("what an import brought is admitted, found and taken back", async () => {
  const folder = await mkdtemp(join(tmpdir(), "reference-"));
  const files = {
    "queue.json": {
      tasks: [{ id: "buoy", prompt: "Describe the oldest buoy" }, { id: "anchor", prompt: "Describe the lost anchor" }],
      failed: [{ id: "wreck", title: "Raise the wreck", errors: ["too deep for the winch"] }],
    },
    "bounties.json": [{ id: "map", title: "Map the coast", description: "All of it, from north to south", reward: 100 }],
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(text));
  await world.ask("import", "reference", folder);
  await rm(folder, { recursive: true });

  await page.goto(new URL("/tasks?state=needs-you", world.link).href);
  for (const name of ["buoy", "anchor"]) await rowOf(name).waitFor();
  await page.getByLabel("Choose Describe the oldest buoy").click();
  await page.getByLabel("Choose Describe the lost anchor").click();
  await page.getByRole("toolbar").getByRole("button", { name: "Admit" }).click();
  await page.getByText("2 tasks admitted").waitFor();

  await page.getByRole("link", { name: "World" }).first().click();
  await page.getByRole("link", { name: "History" }).click();
  await page.getByLabel("Search the history").fill("winch");
  await page.getByText("Raise the wreck").click();
  await page.getByText("too deep for the winch").waitFor();

  await page.getByRole("link", { name: "Bounties" }).click();
  await page.getByText("140 tokens held for it").waitFor();
  await page.getByRole("button", { name: "Take back" }).click();
  await page.getByLabel("Why").fill("no");
  await page.getByRole("button", { name: "Take it back" }).click();
  await page.getByText("Has 2 characters, at least 3 are needed").waitFor();
  await page.getByLabel("Why").fill("nobody wants it");
  await page.getByRole("button", { name: "Take it back" }).click();
  await page.getByText("No bounty is offered").waitFor();
  await page.getByLabel("Show those that are over").check();
  await page.getByText("Taken back: nobody wants it").waitFor();
});

test("the panel recovers by itself when the gateway was restarted", async () => {
  await page.goto(new URL("/tasks", world.link).href);
  await page.getByRole("heading", { name: "Tasks", level: 1 }).waitFor();
  await world.ask("restart", "gateway");
  await world.ask("add", "Describe the lamps of a harbour");
  await page.getByRole("link", { name: /Describe the lamps of a harbour/ }).waitFor({ timeout: 60_000 });
});

test("nothing on the way threw an error", () => {
  assert.deepEqual(page.faults, []);
});
