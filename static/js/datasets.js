/* Uploads of a dataset: files, folders and zips travel by tus, three at a time, and go on where they stopped when the
   same are chosen again. Without this script the same form sends files in one piece. */
"use strict";

(() => {
  for (const part of document.querySelectorAll(".needs-script")) part.hidden = false;

  const all = document.getElementById("choose-all");
  if (all) {
    all.addEventListener("change", () => {
      for (const box of document.querySelectorAll("input[name=picture]")) box.checked = all.checked;
    });
  }

  const form = document.getElementById("dataset-upload");
  if (!form || !window.tus || !tus.isSupported) return;

  const files = form.querySelector("input[name=pictures]");
  const folder = document.getElementById("dataset-folder");
  const drop = document.getElementById("dataset-drop");
  const box = document.getElementById("dataset-progress");
  const text = document.getElementById("dataset-text");
  const more = document.getElementById("dataset-more");
  const meter = document.getElementById("dataset-meter");
  const send = document.getElementById("dataset-send");
  const pause = document.getElementById("dataset-pause");
  const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const AT_ONCE = 3;
  const TAKEN = /\.(jpe?g|png|webp|txt|caption|jsonl?|zip)$/i;
  const JUNK = /(^|\/)(\.|__MACOSX|Thumbs\.db|desktop\.ini)/i;

  let dropped = [];
  let queue = [];
  let running = [];
  let paused = false;

  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const show = (message, kind = "", rest = "") => {
    box.hidden = false;
    box.className = kind ? `notice notice--${kind}` : "notice";
    text.textContent = message;
    more.textContent = rest;
  };

  /* What was chosen in the three ways, each file once by its relative path. */
  const chosen = () => {
    const found = new Map();
    for (const file of [...files.files, ...folder.files]) found.set(file.webkitRelativePath || file.name, file);
    for (const [path, file] of dropped) found.set(path, file);
    return [...found].filter(([path]) => TAKEN.test(path) && !JUNK.test(path));
  };

  const progress = () => {
    const sent = queue.reduce((sum, one) => sum + one.sent, 0);
    const total = queue.reduce((sum, one) => sum + one.file.size, 0);
    const done = queue.filter((one) => one.url).length;
    meter.value = total ? (100 * sent) / total : 0;
    show(`${done} of ${queue.length} files`, "", `${size(sent)} of ${size(total)}`);
  };

  const reason = (error) => {
    try {
      const problem = JSON.parse(error.originalResponse.getBody());
      return `${problem.detail} ${problem.remedy || ""}`;
    } catch {
      return "The connection is gone. Press Upload again with the same files: it goes on where it stopped.";
    }
  };

  const carry = (one) =>
    new Promise((resolve, reject) => {
      const upload = new tus.Upload(one.file, {
        endpoint: form.dataset.uploads,
        chunkSize: 16 * 1024 * 1024,
        retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
        metadata: { filename: one.file.name, owner: form.dataset.owner },
        headers: { "X-CSRFToken": csrf },
        /* Two files of one name in two folders are two uploads. */
        fingerprint: () => Promise.resolve(`dataset:${location.pathname}:${one.path}:${one.file.size}:${one.file.lastModified}`),
        removeFingerprintOnSuccess: false,
        onShouldRetry: (error) => {
          const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
          return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
        },
        onProgress: (sent) => {
          one.sent = sent;
          progress();
        },
        onSuccess: () => {
          one.sent = one.file.size;
          one.url = upload.url;
          resolve();
        },
        onError: reject,
      });
      one.upload = upload;
      upload.findPreviousUploads().then((earlier) => {
        if (earlier.length) upload.resumeFromPreviousUpload(earlier[0]);
        upload.start();
      }, reject);
    });

  const worker = async () => {
    for (;;) {
      const one = queue.find((candidate) => !candidate.taken);
      if (!one || paused) return;
      one.taken = true;
      await carry(one);
      progress();
    }
  };

  const hidden = (name, value) => {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
  };

  /* All have arrived: their ids and paths go to the dataset in one request. */
  const hand = () => {
    for (const one of queue) {
      hidden("upload", one.url.split("/").pop());
      hidden("path", one.path);
    }
    files.disabled = folder.disabled = true;
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(`tus::dataset:${location.pathname}:`)) localStorage.removeItem(key);
    }
    show("Everything has arrived. It is being handed over.", "ok");
    form.submit();
  };

  const start = async () => {
    const found = chosen();
    if (!found.length) {
      show("Nothing is chosen that could be taken.", "error", "Choose JPEG, PNG or WebP pictures, captions, or a zip.");
      return;
    }
    queue = found.map(([path, file]) => ({ path, file, sent: 0, url: "", taken: false }));
    paused = false;
    send.disabled = true;
    pause.textContent = "Pause";
    progress();
    running = Array.from({ length: AT_ONCE }, worker);
    try {
      await Promise.all(running);
      if (!paused) hand();
    } catch (error) {
      for (const one of queue) if (one.upload && !one.url) one.upload.abort();
      show("The upload stopped.", "error", reason(error));
      send.disabled = false;
    }
  };

  pause.addEventListener("click", () => {
    paused = true;
    for (const one of queue) if (one.upload && !one.url) one.upload.abort();
    send.disabled = false;
    show("Paused.", "", "Press Upload to go on; you may close this page and choose the same files again later.");
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });

  const summary = () => {
    const found = chosen();
    const bytes = found.reduce((sum, [, file]) => sum + file.size, 0);
    if (found.length) show(`${found.length} files chosen`, "", size(bytes));
  };
  files.addEventListener("change", summary);
  folder.addEventListener("change", summary);

  /* Folders that are dropped are walked through; a reader answers in portions of a hundred. */
  const walk = async (entry, path) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      dropped.push([path + entry.name, file]);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const inner of some) await walk(inner, `${path}${entry.name}/`);
    }
  };
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("drop--over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("drop--over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("drop--over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    for (const entry of entries) await walk(entry, "");
    summary();
  });
})();
