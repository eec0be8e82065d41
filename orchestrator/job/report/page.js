"use strict";
// The page is whole without this.

// The button copies the summary. Not every browser lets a local file do so: then the old way is tried,
// and at last the text is shown, ready to be copied by hand.
(() => {
  const button = document.querySelector(".copy");
  if (!button) return;

  const ticket = document.querySelector(".ticket");
  const text = ticket.querySelector("textarea");
  const status = document.querySelector(".copied");

  function byHand() {
    ticket.hidden = false;
    text.focus();
    text.select();
    const done = document.execCommand("copy");
    ticket.hidden = done;
    if (done) button.focus();
    return done;
  }

  button.addEventListener("click", async () => {
    status.textContent = "";
    const done = await (navigator.clipboard?.writeText(text.value) ?? Promise.reject()).then(() => true, byHand);
    status.textContent = done ? "Copied." : "Press Ctrl+C or ⌘C to copy the text below.";
  });
  button.hidden = false;
})();

// Walks through the list of steps: the slider, the two buttons and the arrow keys show one step at
// a time, and light up its state and its edge in the chart.
(() => {
  const player = document.querySelector(".player");
  const steps = [...document.querySelectorAll(".steps > li")];
  if (!player || !steps.length) return;

  const slider = player.querySelector("input");
  const now = player.querySelector(".now");
  const picture = document.querySelector(".picture");
  let lit = [];

  function light(id, className) {
    const found = document.getElementById(id);
    if (!found) return null;
    found.classList.add(className);
    lit.push([found, className]);
    return found;
  }

  function bringIntoView(shape) {
    const shown = picture.getBoundingClientRect();
    const box = shape.getBoundingClientRect();
    picture.scrollTop += box.top + box.height / 2 - shown.top - shown.height / 2;
    picture.scrollLeft += box.left + box.width / 2 - shown.left - shown.width / 2;
  }

  function show(number) {
    const at = Math.min(Math.max(number, 1), steps.length);
    const step = steps[at - 1];
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${at} of ${steps.length}`);
    for (const [element, className] of lit) element.classList.remove(className);
    lit = [];
    light(step.id, "here");
    light(`edge-${step.dataset.from}-${step.dataset.to}`, "current");
    const state = light(`state-${step.dataset.to}`, "current");
    if (state && picture) bringIntoView(state);

    const title = document.createElement("h3");
    title.append(`Step ${at} of ${steps.length}: `, ...clones(step.querySelector("summary")));
    now.replaceChildren(title, step.querySelector("dl").cloneNode(true));
  }

  function clones(summary) {
    return [...summary.children].flatMap((part) => [part.cloneNode(true), " "]);
  }

  slider.addEventListener("input", () => show(Number(slider.value)));
  for (const button of player.querySelectorAll("button")) {
    button.addEventListener("click", () => show(Number(slider.value) + Number(button.dataset.go)));
  }
  document.addEventListener("keydown", (event) => {
    const go = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const taken = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
    // The slider, and what scrolls, know these keys themselves.
    if (!go || taken || event.target.closest("input, .scroll")) return;
    event.preventDefault();
    show(Number(slider.value) + go);
  });

  player.hidden = false;
  document.querySelector(".all").open = false;
  show(Number(player.dataset.start));
})();
