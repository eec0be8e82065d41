"use strict";
// Many connections; the page is whole without this.

(() => {
  const table = document.querySelector(".fleet");
  const bodies = [...table.tBodies];

  // A word shows the connections that have it: in what their row says, not in their steps.
  const search = document.querySelector(".search");
  const said = new Map(bodies.map((body) => [body, body.rows[0].textContent.toLowerCase()]));
  search.addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/);
    for (const body of bodies) body.hidden = !words.every((word) => said.get(body).includes(word));
  });
  search.hidden = false;

  // A column's title sorts by it; the second is the order in which they stand: what needs attention first.
  const keys = [
    (body) => body.rows[0].querySelector("code").textContent,
    (body) => places.get(body),
    (body) => body.rows[0].cells[2].textContent,
    (body) => Number(body.dataset.took),
  ];
  const places = new Map(bodies.map((body, place) => [body, place]));
  const words = new Intl.Collator("en", { numeric: true });
  const compare = (one, other) => (typeof one === "number" ? one - other : words.compare(one, other));
  const titles = [...table.tHead.rows[0].cells];
  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      const back = title.getAttribute("aria-sort") === "ascending";
      for (const each of titles) each.removeAttribute("aria-sort");
      title.setAttribute("aria-sort", back ? "descending" : "ascending");
      const sorted = [...bodies].sort((one, other) => compare(keys[column](one), keys[column](other)));
      table.append(...(back ? sorted.reverse() : sorted));
    });
  });

  // The one chart goes to where steps are opened, and shows the way that these took.
  const picture = document.querySelector(".picture");
  if (!picture) return;
  const labels = new Map([...picture.querySelectorAll(".edge text")].map((text) => [text, text.textContent.match(/\w+/g)]));
  for (const details of document.querySelectorAll(".inner details")) {
    details.addEventListener("toggle", () => {
      if (!details.open || details.contains(picture)) return;
      for (const shape of picture.querySelectorAll(".added")) shape.remove();
      for (const name of ["visited", "taken", "happened"]) {
        for (const shape of picture.querySelectorAll(`.${name}`)) shape.classList.remove(name);
      }
      for (const step of details.querySelectorAll(".steps > li")) {
        const { from, to } = step.dataset;
        const event = step.querySelector(".event").textContent;
        document.getElementById(`state-${from}`)?.classList.add("visited");
        document.getElementById(`state-${to}`)?.classList.add("visited");
        const edge = document.getElementById(`edge-${from}-${to}`);
        edge?.classList.add("taken");
        for (const text of edge?.querySelectorAll("text") ?? []) {
          if (labels.get(text)?.includes(event)) text.classList.add("happened");
        }
      }
      details.querySelector(".steps").before(picture);
    });
  }
})();
