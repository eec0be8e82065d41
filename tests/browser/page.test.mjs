// The report's page in a real browser: it works, it is readable for everybody, and nothing leaves it.
// PAGES is the directory that pages.py filled: a job an ending, on a virtual clock.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PAGES = process.env.PAGES;
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };

const names = readdirSync(PAGES).sort();

let browser;

before(async () => {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
after(() => browser.close());

// A page; `complaints` holds what the browser said about it, `requests` what it asked for.
async function open(name, { viewport = DESKTOP, colorScheme = "light", javaScriptEnabled = true } = {}) {
  // axe is put into the page by hand, which the page's own policy would forbid.
  const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled, bypassCSP: true });
  return visit(context, name);
}

async function visit(context, name) {
  const page = await context.newPage();
  const complaints = [];
  const requests = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  const url = pathToFileURL(join(PAGES, name.endsWith(".html") ? name : `${name}/index.html`)).href;
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) requests.push(request.url());
  });
  await page.goto(url);
  return { page, context, complaints, requests };
}

const shownStep = (page) => page.locator(".now h3").textContent();

// What axe has against a page.
async function violations(name, options) {
  const { page, context } = await open(name, options);
  const steps = page.locator(".all > summary");
  if (await steps.count()) await steps.click(); // what is folded away is looked at, too
  for (const folded of await page.locator(".inner > td > details > summary").all()) await folded.click();
  await page.addScriptTag({ path: AXE });
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  await context.close();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`);
}

for (const name of names) {
  test(`${name}: axe finds nothing, on a phone in the dark and on a desktop in the light`, async () => {
    assert.deepEqual(await violations(name, { viewport: PHONE, colorScheme: "dark" }), []);
    assert.deepEqual(await violations(name, { viewport: DESKTOP, colorScheme: "light" }), []);
  });

  test(`${name}: its own policy lets it work, nothing is fetched, and nothing scrolls sideways`, async () => {
    const context = await browser.newContext({ viewport: PHONE });
    const { page, complaints, requests } = await visit(context, name);

    assert.deepEqual(complaints, []);
    assert.deepEqual(requests, []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), PHONE.width);
    assert.equal(await page.locator(".player:visible").count(), await page.locator(".player").count());
    await context.close();
  });
}

for (const name of names) {
  test(`${name}: on a phone no line is cut, and none scrolls sideways but the chart`, async () => {
    const { page, context } = await open(name, { viewport: PHONE });
    for (const folded of await page.locator("details:not([open]) > summary:visible").all()) await folded.click();

    const cut = await page.evaluate(() => {
      const found = [];
      for (const element of document.querySelectorAll("main *, footer *")) {
        if (element.closest(".picture, .controls, textarea, .icon, .timeline svg") || !element.checkVisibility()) continue;
        const hidden = getComputedStyle(element).position === "absolute"; // for screen readers alone
        const box = element.getBoundingClientRect();
        const wide = element.clientWidth && element.scrollWidth > element.clientWidth + 1;
        const out = box.width && (box.left < -0.5 || box.right > innerWidth + 0.5);
        if (!hidden && (wide || out)) found.push(`${element.tagName} ${element.className}: ${element.textContent.slice(0, 60)}`);
      }
      return found;
    });
    assert.deepEqual(cut, []);
    await context.close();
  });
}

const copied = (page) => page.getByRole("status").textContent();

// The page as a browser shows it that lets a page copy in the one way or in the other, or in none.
async function copying({ permissions = [], clipboard = true, command = true }) {
  const context = await browser.newContext({ permissions });
  if (!clipboard) await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "clipboard", { value: undefined }));
  if (!command) await context.addInitScript(() => { Document.prototype.execCommand = () => false; });
  const visited = await visit(context, "failed");
  await visited.page.getByRole("button", { name: "Copy for a ticket" }).click();
  await visited.page.waitForFunction(() => document.querySelector(".copied").textContent);
  return visited;
}

test("the button copies the summary, and says so, under the page's own policy", async () => {
  const { page, context, complaints } = await copying({ permissions: ["clipboard-read", "clipboard-write"] });

  const text = await page.evaluate(() => navigator.clipboard.readText());
  const written = readFileSync(join(PAGES, "failed", "summary.md"), "utf8");
  assert.equal(text, written.slice(written.indexOf("\n") + 1));
  assert.equal(await copied(page), "Copied.");
  assert.equal(await page.locator("textarea").isVisible(), false);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("where a browser has no clipboard for a local file, the button copies in the old way", async () => {
  const { page, context, complaints } = await copying({ permissions: ["clipboard-read", "clipboard-write"], clipboard: false });

  assert.equal(await copied(page), "Copied.");
  assert.equal(await page.locator("textarea").isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Copy for a ticket");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("where a browser lets the page copy in no way, the text is shown, selected", async () => {
  const { page, context, complaints } = await copying({ clipboard: false, command: false });

  const shown = page.getByRole("textbox", { name: "Copy this" });
  assert.match(await copied(page), /^Press Ctrl\+C/);
  assert.ok(await shown.isVisible());
  assert.equal(await shown.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd)), await shown.inputValue());
  assert.match(await shown.inputValue(), /^### FAILED: the sync failed after 1 min\n/);
  assert.deepEqual(complaints, []);
  await context.close();
});

for (const name of ["success", "failed", "timed_out", "tests", "fleet"]) {
  test(`${name}: axe finds nothing the other way round either`, async () => {
    assert.deepEqual(await violations(name, { viewport: PHONE, colorScheme: "light" }), []);
    assert.deepEqual(await violations(name, { viewport: DESKTOP, colorScheme: "dark" }), []);
  });
}

test("without a script the page says all of it", async () => {
  const { page, context } = await open("failed", { javaScriptEnabled: false });

  for (const text of ["the sync failed", "too many clients", "Where the time went", "Step through this run"]) {
    assert.ok(await page.getByText(text).first().isVisible(), text);
  }
  assert.equal(await page.locator(".player").isVisible(), false);
  assert.equal(await page.getByText("Copy for a ticket").isVisible(), false);
  assert.ok((await page.locator(".steps > li:visible").count()) > 5);
  await context.close();
});

test("the slider begins at the step that decided, and walks from the first to the last", async () => {
  const { page, context } = await open("failed");
  const slider = page.getByRole("slider", { name: "Step" });
  const count = await page.locator(".steps > li").count();

  assert.match(await shownStep(page), /asking_history → concluding.*sync_failed/);
  assert.equal(await page.locator(".edge.current").getAttribute("id"), "edge-asking_history-concluding");

  await slider.fill("1");
  assert.match(await shownStep(page), new RegExp(`^Step 1 of ${count}: .*validating → considering_switch`));
  assert.equal(await slider.getAttribute("aria-valuetext"), `step 1 of ${count}`);
  assert.equal(await page.locator(".state.current").getAttribute("id"), "state-considering_switch");

  await page.getByRole("button", { name: "Step forward" }).click();
  assert.match(await shownStep(page), /^Step 2 of/);
  for (let i = 0; i < count + 3; i++) await page.getByRole("button", { name: "Step forward" }).click();
  assert.match(await shownStep(page), new RegExp(`^Step ${count} of ${count}`));
  for (let i = 0; i < count + 3; i++) await page.getByRole("button", { name: "Step back" }).click();
  assert.match(await shownStep(page), /^Step 1 of/);
  await context.close();
});

test("the arrow keys walk, wherever the focus is, and leave other shortcuts alone", async () => {
  const { page, context } = await open("success");
  const first = await shownStep(page);

  await page.keyboard.press("ArrowLeft");
  const before = await shownStep(page);
  assert.notEqual(before, first);
  await page.keyboard.press("ArrowRight");
  assert.equal(await shownStep(page), first);
  await page.keyboard.press("Control+ArrowLeft");
  assert.equal(await shownStep(page), first);

  await page.getByRole("slider", { name: "Step" }).focus();
  await page.keyboard.press("ArrowLeft");
  assert.equal(await shownStep(page), before);
  await page.getByRole("region", { name: "Chart" }).focus();
  await page.keyboard.press("ArrowLeft");
  assert.equal(await shownStep(page), before, "the chart scrolls with them");
  await context.close();
});

test("the present state is in sight within the chart", async () => {
  const { page, context } = await open("success", { viewport: PHONE });

  for (const step of ["1", "4", "9"]) {
    await page.getByRole("slider", { name: "Step" }).fill(step);
    const chart = await page.locator(".picture").boundingBox();
    const state = await page.locator(".state.current").boundingBox();
    assert.ok(state.x + state.width / 2 >= chart.x && state.x + state.width / 2 <= chart.x + chart.width, step);
    assert.ok(state.y + state.height / 2 >= chart.y && state.y + state.height / 2 <= chart.y + chart.height, step);
  }
  await context.close();
});

test("each step's details are the list's own", async () => {
  const { page, context } = await open("flapping");
  const steps = page.locator(".steps > li");

  for (let number = 1; number <= (await steps.count()); number++) {
    await page.getByRole("slider", { name: "Step" }).fill(String(number));
    const expected = await steps.nth(number - 1).locator("dl").textContent();
    assert.equal(await page.locator(".now dl").textContent(), expected);
    assert.equal(await page.locator(".steps > li.here").getAttribute("id"), `step-${number}`);
  }
  await context.close();
});

test("every bar of the timeline is drawn, where its period is", async () => {
  const { page, context } = await open("postponed");
  const whole = await page.locator(".timeline svg").first().boundingBox();
  const bars = await page.locator(".timeline rect").evaluateAll((found) => found.map((bar) => bar.getBoundingClientRect().toJSON()));

  assert.ok(bars.length > 5);
  for (const bar of bars) {
    assert.ok(bar.width > 0 && bar.x >= whole.x - 0.5 && bar.right <= whole.x + whole.width + 0.5);
  }
  assert.ok(Math.max(...bars.map((bar) => bar.right)) > whole.x + whole.width - 2);
  await context.close();
});

test("everything can be reached by keyboard", async () => {
  const { page, context } = await open("tests");
  const reached = new Set();

  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent));
  }
  for (const name of ["The connection at Fivetran", "Copy for a ticket", "Results of the setup tests", "Step back", "Step", "Step forward", "Chart", "All steps", "result.json"]) {
    assert.ok(reached.has(name), name);
  }
  await context.close();
});

test("hostile words stay words", async () => {
  for (const name of names.filter((one) => one.includes("hostile"))) {
    const { page, context, complaints } = await open(name);

    assert.deepEqual(complaints, []);
    assert.equal(await page.locator("script").count(), name.startsWith("fleet") ? 2 : 1);
    assert.equal(await page.locator("img").count(), 0);
    assert.ok((await page.textContent("body")).includes("<script>alert(1)</script>"));
    await context.close();
  }
});

// --- Many connections ---------------------------------------------------------------------------

const shownConnections = (page) => page.locator(".fleet tbody:visible > tr:first-child > td:first-child code").allTextContents();
const WORST = ["gone_away", "sour_grape", "sturdy_door", "odd_boat"];

test("fleet: those that need attention are on top, and the page says so without a script", async () => {
  const { page, context } = await open("fleet", { javaScriptEnabled: false });

  assert.match(await page.locator("h1").textContent(), /FAILED: 4 of 30 connections did not sync/);
  assert.deepEqual((await shownConnections(page)).slice(0, 4), WORST);
  assert.equal((await shownConnections(page)).length, 30);
  assert.equal(await page.locator(".search").isVisible(), false);
  assert.equal(await page.locator(".fleet th button").count(), 0);
  await page.locator(".inner > td > details > summary").first().click();
  assert.ok(await page.locator(".picture").isVisible());
  await context.close();
});

test("fleet: words filter the connections, titles sort them and sort them back", async () => {
  const { page, context } = await open("fleet");

  await page.getByRole("searchbox", { name: "Show those with" }).fill("paused door");
  assert.deepEqual(await shownConnections(page), ["sturdy_door"]);
  await page.getByRole("searchbox").fill("");
  assert.equal((await shownConnections(page)).length, 30);

  await page.getByRole("button", { name: "Connection" }).click();
  const sorted = await shownConnections(page);
  assert.deepEqual(sorted, [...sorted].sort((one, other) => one.localeCompare(other, "en", { numeric: true })));
  assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "ascending");
  await page.getByRole("button", { name: "Connection" }).click();
  assert.deepEqual(await shownConnections(page), sorted.reverse());
  await page.getByRole("button", { name: "Took" }).click();
  assert.equal((await shownConnections(page))[0], "gone_away");
  await page.getByRole("button", { name: "Outcome" }).click();
  assert.deepEqual((await shownConnections(page)).slice(0, 4), WORST);
  await context.close();
});

test("fleet: the one chart goes where steps are opened, and shows their way", async () => {
  const { page, context } = await open("fleet");
  const steps = page.locator(".inner > td > details");
  const way = async () => [
    await page.locator(".edge.taken").evaluateAll((edges) => edges.map((edge) => edge.id).sort()),
    await page.locator(".edge.taken .happened").evaluateAll((texts) => texts.map((text) => text.textContent.trim())),
  ];

  await steps.nth(1).locator("> summary").click();
  await page.waitForFunction(() => document.querySelectorAll(".inner details")[0] !== document.querySelector(".picture").closest(".inner > td > details"));
  assert.equal(await steps.nth(1).locator(".picture").count(), 1);
  assert.ok((await way())[0].includes("edge-triggering-considering_durations"));
  assert.ok((await way())[1].includes("triggered"));

  await steps.nth(2).locator("> summary").click();
  await page.waitForFunction(() => !document.querySelector("#edge-triggering-considering_durations.taken"));
  assert.equal(await steps.nth(2).locator(".picture").count(), 1);
  assert.ok((await way())[1].includes("paused"));
  await context.close();
});

for (const name of ["sour_grape", "calm_river_3"]) {
  test(`fleet: axe finds nothing on the page of ${name}`, async () => {
    const page = `fleet/connections/${name}.html`;
    assert.deepEqual(await violations(page, { viewport: PHONE, colorScheme: "dark" }), []);
    assert.deepEqual(await violations(page, { viewport: DESKTOP, colorScheme: "light" }), []);
  });
}

test("fleet: each connection has a page of its own, and that leads back", async () => {
  const { page, context, complaints } = await open("fleet");

  for (const name of ["sour_grape", "calm_river_3"]) {
    await page.getByRole("link", { name, exact: true }).click();
    assert.match(await page.title(), new RegExp(`START ${name}`));
    assert.equal(await page.locator(".picture").count(), name === "sour_grape" ? 1 : 0);
    assert.ok((await page.locator(".steps > li").count()) > 5);
    await page.getByRole("link", { name: "All connections" }).click();
    assert.match(await page.title(), /START on 30 connections/);
  }
  assert.deepEqual(complaints, []);
  await context.close();
});
