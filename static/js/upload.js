/* Resumable upload: as soon as a file and an owner are chosen, its bytes travel by tus while the form is filled in.
   Without this script the same form sends the file in one piece. */
"use strict";

(() => {
  const form = document.getElementById("upload-form");
  if (!form || !window.tus || !tus.isSupported) return;

  const file = form.querySelector("input[type=file]");
  const owner = form.querySelector("[name=owner]");
  const name = form.querySelector("[name=name]");
  const uploadId = form.querySelector("[name=upload_id]");
  const box = document.getElementById("upload-progress");
  const text = document.getElementById("upload-text");
  const meter = document.getElementById("upload-meter");
  const button = document.getElementById("upload-submit");
  const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
  let current = null;
  let waiting = false;

  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const show = (message, kind) => {
    box.hidden = false;
    box.className = kind ? `notice notice--${kind}` : "notice";
    text.textContent = message;
  };

  const finish = () => {
    uploadId.value = current.url.split("/").pop();
    meter.value = 100;
    show(`${file.files[0].name} has arrived.`, "ok");
    if (waiting) send();
  };

  const fail = (error) => {
    let message = "The upload stopped. Choose the file again to go on where it stopped.";
    try {
      const problem = JSON.parse(error.originalResponse.getBody());
      message = `${problem.detail} ${problem.remedy || ""}`;
    } catch {
      /* no answer arrived: the connection is gone, and the general message says what to do */
    }
    waiting = false;
    button.disabled = false;
    show(message, "error");
  };

  /* An address from the file's name, for who has not chosen one. */
  const suggestName = (filename) => {
    if (name.value) return;
    name.value = filename.toLowerCase().replace(/\.[a-z0-9]+$/, "").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  };

  const start = async () => {
    if (current) await current.abort();
    uploadId.value = "";
    const chosen = file.files[0];
    if (!chosen) return;
    suggestName(chosen.name);
    current = new tus.Upload(chosen, {
      endpoint: form.dataset.uploads,
      chunkSize: 16 * 1024 * 1024,
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
      metadata: { filename: chosen.name, owner: owner.selectedOptions[0].textContent.trim() },
      headers: { "X-CSRFToken": csrf },
      removeFingerprintOnSuccess: true,
      onProgress: (sent, total) => {
        meter.value = (100 * sent) / total;
        show(`${chosen.name}: ${size(sent)} of ${size(total)}`);
      },
      onSuccess: finish,
      onError: fail,
    });
    const earlier = await current.findPreviousUploads();
    if (earlier.length) current.resumeFromPreviousUpload(earlier[0]);
    current.start();
  };

  const send = () => {
    file.disabled = true; /* its bytes are on the server already */
    form.submit();
  };

  file.addEventListener("change", start);
  owner.addEventListener("change", () => file.files.length && start());
  form.addEventListener("submit", (event) => {
    if (uploadId.value) {
      file.disabled = true;
      return;
    }
    if (!current) return;
    event.preventDefault();
    waiting = true;
    button.disabled = true;
  });
})();
