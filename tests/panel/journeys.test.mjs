// The journeys of a person through the panel. They wait for what is on the page, never for time.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CRITIQUE, World, browser, document, script, signedIn } from "./world.mjs";

const HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">";
const essay = (subject) => `# ${subject}\n\nThis page answers the request: ${subject}. It says what the \
matter is, why it is so, and what a reader can do with it.\n\n## What it is\n\nThe subject, ${subject}, \
is looked at from its beginning, part after part, without taking anything for granted.\n\n${HOSTILE}\n`;

let world, chrome, page;

before(async () => {
  const rules = [
    { contains: "You are a critic.", reply: { text: CRITIQUE } },
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

test("what is wrong with a form stands below its field", async () => {
  await page.goto(new URL("/tasks?new=1", world.link).href);
  await page.getByLabel("Priority").fill("12");
  await page.getByRole("button", { name: "Add the task" }).click();
  await page.getByText("Must be 0 to 9").waitFor();
  await page.getByText("Say what to do").waitFor();
  await page.keyboard.press("Escape");
});

test("the keyboard leads everywhere", async () => {
  for (const [keys, heading] of [["gt", "Tasks"], ["gi", "Inbox"], ["gw", "World"], ["gs", "Settings"], ["gn", "Now"]]) {
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
