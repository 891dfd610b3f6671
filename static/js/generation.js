/* The prompt's helpers: adapters and words by a click, strengths by a slider. Without it the prompt is typed. */
"use strict";

(() => {
  const form = document.querySelector("[data-try]");
  if (!form) return;
  const prompt = form.querySelector("#id_prompt");
  const TAG = /<\s*(?:lora|lyco)\s*:([^<>:]*)((?::[^<>]*)?)>/gi;

  const changed = () => prompt.dispatchEvent(new Event("input", { bubbles: true }));

  /* Words go before the tags, where the model reads them first; what is there already is not put in again. */
  const addWord = (word) => {
    const text = prompt.value;
    const plain = text.replace(TAG, " ");
    if (plain.toLowerCase().includes(word.toLowerCase())) return;
    prompt.value = text.trim() ? `${word}, ${text}` : word;
  };

  const addTag = (tag) => {
    const address = tag.slice(6).split(":")[0].toLowerCase();
    for (const match of prompt.value.matchAll(TAG)) if (match[1].trim().toLowerCase() === address) return;
    prompt.value = `${prompt.value.trimEnd()} ${tag}`.trimStart();
  };

  const setStrength = (place, value) => {
    let seen = -1;
    prompt.value = prompt.value.replace(TAG, (whole, address) => {
      seen += 1;
      return seen === place ? `<lora:${address.trim()}:${value}>` : whole;
    });
  };

  form.addEventListener("click", (event) => {
    const word = event.target.closest("[data-insert]");
    const tag = event.target.closest("[data-tag]");
    if (word) addWord(word.dataset.insert);
    if (tag) {
      addTag(tag.dataset.tag);
      if (tag.dataset.words) addWord(tag.dataset.words);
    }
    if (word || tag) changed();
  });

  form.addEventListener("input", (event) => {
    const slider = event.target.closest("[data-strength]");
    if (!slider) return;
    const value = String(Number(Number(slider.value).toFixed(2)));
    setStrength(Number(slider.dataset.strength), value);
    slider.parentElement.querySelector("output").textContent = value;
  });

  /* Ctrl+Enter draws from anywhere in the form, as people know it. */
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
    if (event.key === "Enter" && event.target.id === "adapters") event.preventDefault();
  });

  /* How many pictures the button asks for, and the place of an adapter only where an axis is about one. */
  const count = form.querySelector("[data-count]");
  document.body.addEventListener("htmx:afterSwap", () => {
    const found = form.querySelector("[data-pictures]");
    const pictures = found ? Number(found.dataset.pictures) : 0;
    count.textContent = pictures > 1 ? `${pictures} pictures` : "";
  });
  const places = () => {
    for (const name of ["x", "y"]) {
      const kind = form.querySelector(`#id_${name}_kind`).value;
      const place = form.querySelector(`#id_${name}_place`).closest(".field");
      place.hidden = kind !== "strength" && kind !== "adapter";
    }
  };
  form.addEventListener("change", places);
  places();
})();
