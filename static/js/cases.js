/* Keys of the moderators' pages, pictures that are shown one by one, and prepared texts. Everything works without it. */
"use strict";

(() => {
  const find = (selector) => document.querySelector(selector);
  const typing = (target) => Boolean(target.closest("input, textarea, select, [contenteditable]")) && !["radio", "checkbox", "submit", "button"].includes(target.type);

  /* Moving along the queue */
  const move = (step) => {
    const links = [...document.querySelectorAll("[data-case]")];
    if (!links.length) return;
    const here = links.indexOf(document.activeElement);
    const next = here < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(here + step, 0), links.length - 1);
    links[next].focus();
  };

  /* A verdict is chosen, never sent: the moderator writes the reasoning and sends the form themselves. */
  const choose = (...verdicts) => {
    const radio = verdicts.map((verdict) => find(`#decision input[name=verdict][value=${verdict}]`)).find(Boolean);
    if (!radio) return;
    radio.checked = true;
    radio.dispatchEvent(new Event("change", { bubbles: true }));
    find("#decision [name=public_reasoning]").focus();
  };

  const escalate = () => {
    const fold = find("#escalate");
    if (!fold) return;
    fold.open = true;
    fold.querySelector("textarea").focus();
  };

  const press = (selector) => {
    const button = find(selector);
    if (button) button.click();
  };

  const actions = {
    j: () => move(1),
    k: () => move(-1),
    a: () => choose("approve", "dismiss"),
    r: () => choose("refuse", "take-down"),
    e: escalate,
    c: () => press("#claim"),
    u: () => press("#to-queue"),
    "?": () => find("#keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (event.key === " " && event.target.matches("[data-reveal]")) {
      event.preventDefault();
      event.target.click();
      return;
    }
    const dialog = find("#keys");
    if (!dialog || dialog.open || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });

  /* Each picture comes from the server when it is asked for, which is on record; again blurred, it is gone. */
  let looks = 0; /* a number in the address, or the browser would show what it still has and nobody would know */
  const reveal = (link) => {
    const image = link.querySelector("img");
    const shown = link.getAttribute("aria-pressed") === "true";
    image.src = shown ? link.dataset.blurred : `${link.href}?look=${++looks}`;
    link.setAttribute("aria-pressed", String(!shown));
  };

  for (const link of document.querySelectorAll("[data-reveal]")) {
    link.setAttribute("role", "button");
    link.setAttribute("aria-pressed", "false");
    link.addEventListener("click", (event) => {
      event.preventDefault();
      reveal(link);
    });
  }

  /* What holders are asked to do follows the decision, until somebody has written there. */
  const task = find("#decision [name=what_to_do]");
  if (task) {
    const prepared = Object.values(task.dataset);
    const follow = () => {
      const radio = find("#decision input[name=verdict]:checked");
      const text = radio && task.getAttribute(`data-${radio.value}`);
      const question = find("#decision input[name=recall][value=yes]");
      const telling = radio && radio.value === "tell"; /* to tell them is this decision itself */
      find("#recall").hidden = !text;
      question.closest(".field").hidden = telling;
      task.closest(".field").hidden = !telling && !question.checked;
      if (text && (!task.value.trim() || prepared.includes(task.value))) task.value = text;
    };
    find("#decision").addEventListener("change", follow);
    follow();
  }

  /* A prepared text fills the form; what was written before stays above it. */
  const macro = find("#macro");
  if (macro) {
    macro.hidden = false;
    macro.querySelector("select").addEventListener("change", (event) => {
      const chosen = event.target.selectedOptions[0];
      if (!chosen.value) return;
      for (const name of ["public_reasoning", "private_notes"]) {
        const field = find(`#decision [name=${name}]`);
        field.value = [field.value.trim(), chosen.dataset[name === "public_reasoning" ? "reasoning" : "notes"]].filter(Boolean).join("\n\n");
      }
      const radio = chosen.dataset.verdict && find(`#decision input[name=verdict][value=${chosen.dataset.verdict}]`);
      if (radio) {
        radio.checked = true;
        radio.dispatchEvent(new Event("change", { bubbles: true }));
      }
      find("#decision [name=public_reasoning]").focus();
    });
  }
})();
