// A headless Chromium for the tests beside this file; DRAWINGS is the directory that drawings.py filled.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const PAGE = { width: 850, height: 900 }; // about what a README has on GitHub

export const drawings = JSON.parse(readFileSync(join(process.env.DRAWINGS, "drawings.json"), "utf-8"));

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

// A page that asks nothing of the network, and the errors that it reports.
export async function open(browser, html) {
  const page = await browser.newPage({ viewport: PAGE });
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.route(/^https?:/, (route) => {
    errors.push(`asked for ${route.request().url()}`);
    return route.abort();
  });
  await page.setContent(html);
  return { page, errors };
}

// Of each two texts that lie upon one another: how much of the smaller one is hidden, from 0 to 1.
export function hidden(boxes) {
  const found = [];
  boxes.forEach((one, number) => {
    for (const other of boxes.slice(0, number)) {
      const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (wide <= 0 || high <= 0) continue;
      const smaller = Math.min(...[one, other].map((box) => (box.right - box.left) * (box.bottom - box.top)));
      found.push({ texts: [one.text, other.text], share: (wide * high) / smaller });
    }
  });
  return found;
}
