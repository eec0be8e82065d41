// Every chart's Mermaid text, drawn by the real Mermaid in a browser.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { drawings, hidden, launch, open } from "./browser.mjs";

const LIBRARY = join(dirname(createRequire(import.meta.url).resolve("mermaid")), "mermaid.min.js");

let browser, page, errors;
before(async () => {
  browser = await launch();
  ({ page, errors } = await open(browser, "<body style='margin: 0'><div id='drawing'></div>"));
  await page.addScriptTag({ path: LIBRARY });
});
after(() => browser.close());

// The drawing as a page shows it: each state's text, the labels' and states' boxes, the size of the text.
async function draw(text, theme = "default") {
  const drawn = await page.evaluate(async ([text, theme]) => {
    mermaid.initialize({ startOnLoad: false, theme, securityLevel: "strict" });
    const { svg } = await mermaid.render("drawn", text);
    const place = document.getElementById("drawing");
    place.innerHTML = svg;
    const box = (element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      return { left, right, top, bottom, text: element.textContent.trim() };
    };
    const picture = place.querySelector("svg");
    const inner = (element) => element.querySelector("foreignObject") ?? element;
    const scale = picture.getBoundingClientRect().width / picture.viewBox.baseVal.width;
    const size = Math.min(...[...place.querySelectorAll(".nodeLabel, span.edgeLabel")]
      .map((label) => parseFloat(getComputedStyle(label).fontSize)));
    return {
      nodes: [...place.querySelectorAll(".node")].map((node) => ({ ...box(node), classes: node.getAttribute("class") })),
      labels: [...place.querySelectorAll("g.edgeLabel")].map(inner).map(box).filter(({ text }) => text),
      lines: place.querySelectorAll(".edgePaths path.edge-thickness-normal, .edgePaths path.edge-thickness-thick").length,
      frames: [...place.querySelectorAll(".cluster")].map(box),
      heavy: place.querySelectorAll("path.edge-thickness-thick").length,
      size: size * scale,
    };
  }, [text, theme]);
  assert.deepEqual(errors, []);
  return drawn;
}

const letters = (text) => text.replace(/\s/g, "");

// A page shows a run over the lines of all states; only Graphviz draws that.
for (const { name, view, model, mermaid, highlighted } of drawings.filter(({ view }) => view !== "states")) {
  test(`Mermaid draws each state and line of ${name}, large enough and with no label hidden`, async () => {
    const drawn = await draw(mermaid);

    const lines = model.edges.filter(({ source, target }) => source !== target);
    for (const node of model.nodes) {
      const first = node.title || `exit ${node.rows[0].at(0)}`;
      const matching = drawn.nodes.filter(({ text }) => letters(text).startsWith(letters(first)));
      assert.ok(matching.length > 0, `${node.name} is drawn`);
    }
    assert.equal(drawn.lines, lines.length + 1); // one leads to the first state
    assert.equal(drawn.heavy, lines.filter(({ happy }) => happy).length + 1);
    assert.deepEqual(drawn.frames.map(({ text }) => text).sort(), [...new Set(model.nodes.map(({ group }) => group))].filter(Boolean).sort());
    assert.deepEqual(hidden(drawn.frames), []);
    const over = hidden([...drawn.labels, ...drawn.nodes.filter(({ text }) => text)]);
    assert.deepEqual(over.filter(({ share }) => share > 0.5), []);
    // A page shows the overview and the main drawing as they are; the full one has every state of a chart.
    assert.ok(drawn.size >= (view === "full" ? 8 : 12), `${drawn.size} pixels`);
  });

  test(`${name} marks a state, on a dark page, too`, async () => {
    const drawn = await draw(highlighted.mermaid, "dark");

    const here = drawn.nodes.filter(({ classes }) => classes.split(" ").includes("here"));
    assert.equal(here.length, 1);
    assert.ok(letters(here[0].text).startsWith(letters(highlighted.title)));
  });
}
