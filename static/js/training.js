/* News of a run: told to the parts of the page, which fetch themselves anew. Without it, and when it breaks, they poll. */
"use strict";

(() => {
  const page = document.querySelector("[data-run-events]");
  if (!page || !window.EventSource || !window.htmx) return;
  const source = new EventSource(page.dataset.runEvents);
  const last = {};
  const waiting = {};
  /* At most one fetch of a part in its time, and never the last one lost. */
  const tell = (name, pause) => {
    if (waiting[name]) return;
    const left = Math.max(0, (last[name] || 0) + pause - Date.now());
    waiting[name] = setTimeout(() => {
      waiting[name] = 0;
      last[name] = Date.now();
      window.htmx.trigger(document.body, name);
    }, left);
  };
  let state = "";
  const ENDED = ["done", "failed", "cancelled", "stopped"];
  source.addEventListener("progress", (event) => {
    const now = JSON.parse(event.data);
    tell("run-progress", 1000);
    if (state && now.state !== state) for (const part of ["run-checkpoint", "run-sample", "run-log", "run-points"]) tell(part, 500);
    state = now.state;
    /* The draft comes a moment after the end; then there is no more news, and nobody asks for it every second. */
    if (ENDED.includes(state)) setTimeout(() => source.close(), 15000);
  });
  source.addEventListener("points", () => tell("run-points", 3000));
  source.addEventListener("log", (event) => {
    const line = JSON.parse(event.data);
    tell("run-log", 1000);
    if (line.kind === "sample") tell("run-sample", 2000);
    if (line.kind === "checkpoint" || line.kind === "result") tell("run-checkpoint", 1000);
    if (line.kind !== "sample") tell("run-progress", 1000);
  });
  window.addEventListener("pagehide", () => source.close());
})();
