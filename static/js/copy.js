/* Copy buttons of snippets, and closing the account menu; without this script the text can still be selected. */
"use strict";

(() => {
  const offer = (root) => {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  };

  /* The word for the button; where the browser forbids it, the text is selected for the keyboard. */
  const copied = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      return "Press Ctrl+C";
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      button.textContent = await copied(button.parentElement.querySelector("code"));
      setTimeout(() => (button.textContent = "Copy"), 1500);
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => offer(event.target));
  offer(document);
})();
