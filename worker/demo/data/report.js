"use strict";
const form = document.forms.filter;
const cards = [...document.querySelectorAll(".card")];
const shown = document.querySelector("output");

function fits(card) {
  const words = form.words.value.trim().toLowerCase();
  const kind = form.kind.value, tag = form.tag.value, status = form.status.value;
  const pairs = card.dataset.tags.split(" ").filter(Boolean).map((pair) => pair.split(":"));
  const isTagged = (!tag && !status) || pairs.some(([name, is]) => (!tag || name === tag) && (!status || is === status));
  return isTagged && (!words || card.dataset.words.includes(words)) && (!kind || card.dataset.is.split(" ").includes(kind));
}

function update() {
  let count = 0;
  for (const card of cards) {
    card.hidden = !fits(card);
    count += card.hidden ? 0 : 1;
  }
  shown.textContent = `${count} of ${cards.length} listings shown`;
}

form.addEventListener("input", update);
form.addEventListener("reset", () => setTimeout(update));
form.addEventListener("submit", (event) => event.preventDefault());
update();
