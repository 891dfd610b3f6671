/* A box that is ticked while a search is on its way is not lost: the list is asked for again with it. */
"use strict";

document.addEventListener("htmx:beforeSwap", (event) => {
  const list = event.detail.target;
  if (list.id !== "may-i-list") return;
  const ticked = [...list.querySelectorAll("input:checked")].map((box) => box.value);
  const sent = event.detail.requestConfig.formData.getAll("adapter");
  if (ticked.join() === sent.join()) return;
  event.detail.shouldSwap = false;
  document.querySelector("#may-i-form [name=find]").click();
});
