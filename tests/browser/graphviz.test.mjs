// Every chart's svg by Graphviz, as a browser shows it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { drawings, hidden, launch, open } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

// The picture within a page, so that its ids and boxes can be asked for.
async function show(svg) {
  const { page, errors } = await open(browser, "<style>body { margin: 0 } svg { max-width: 100%; height: auto }</style>");
  const shown = await page.evaluate((svg) => {
    document.body.innerHTML = svg.slice(svg.indexOf("<svg"));
    const picture = document.querySelector("svg");
    const scale = picture.getBoundingClientRect().width / picture.viewBox.baseVal.width;
    const texts = [...picture.querySelectorAll("text")];
    return {
      classes: Object.fromEntries([...picture.querySelectorAll("g[id]")].map((g) => [g.id, [...g.classList]])),
      ids: [...picture.querySelectorAll("[id]")].map(({ id }) => id),
      texts: texts.map((text) => {
        const { left, right, top, bottom } = text.getBoundingClientRect();
        return { left, right, top, bottom, text: text.textContent };
      }),
      size: Math.min(...texts.map((text) => parseFloat(getComputedStyle(text).fontSize))) * scale,
    };
  }, svg);
  await page.close();
  assert.deepEqual(errors, []);
  return shown;
}

for (const { name, view, model, svg, highlighted } of drawings) {
  test(`Graphviz draws each state and line of ${name}, by id and class, and with no text hidden`, async () => {
    const { classes, ids, texts, size } = await show(svg);

    assert.equal(new Set(ids).size, ids.length);
    for (const node of model.nodes) {
      assert.equal(classes[`state-${node.name}`].includes("happy"), node.happy, node.name);
      assert.ok(node.exit === null || classes[`state-${node.name}`].includes(`exit-${node.exit}`), node.name);
    }
    for (const edge of model.edges) {
      assert.equal(classes[`edge-${edge.source}-${edge.target}`].includes("happy"), edge.happy);
    }
    assert.deepEqual(hidden(texts).filter(({ share }) => share > 0.5), []);
    assert.ok(size >= { overview: 12, main: 12, full: 9.5, states: 9 }[view], `${size} pixels`);
  });

  test(`${name} marks a state`, async () => {
    const { classes } = await show(highlighted.svg);

    const here = Object.keys(classes).filter((id) => classes[id].includes("here"));
    assert.deepEqual(here, [`state-${highlighted.here}`]);
  });
}
