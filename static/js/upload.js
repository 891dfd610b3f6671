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
  const more = document.getElementById("upload-more");
  const beside = document.getElementById("upload-beside");
  const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
  let current = null;
  let waiting = false;

  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const show = (message, kind, rest = "") => {
    box.hidden = false;
    box.className = kind ? `notice upload-progress notice--${kind}` : "notice upload-progress";
    text.textContent = message;
    more.textContent = rest;
    beside.textContent = message;
  };

  /* What the inspection would refuse by its name alone is refused before it travels, in the same words. */
  const PICKLES = ["ckpt", "pt", "pth", "bin", "pkl"];
  const ARCHIVES = ["zip", "rar", "7z", "gz", "tar", "xz", "bz2"];
  const rest = (why, remedy) => `${why} What to do: ${remedy}`;
  const wrongEnding = (filename) => {
    const ending = filename.includes(".") ? filename.split(".").pop().toLowerCase() : "";
    if (ending === "safetensors") return null;
    const what = ending ? `The file is a .${ending} file.` : "The name of the file has no ending.";
    const only = "Only safetensors files are taken: they hold numbers and cannot run code.";
    if (PICKLES.includes(ending)) {
      const why = "Opening a pickle can run any code on the machine of whoever loads it; here pickles are never opened or kept.";
      return [what, rest(why, "Convert it to safetensors on your own machine, with a tool that you trust, and upload that file.")];
    }
    if (ARCHIVES.includes(ending)) {
      return [what, rest(only, "Unpack it and upload the safetensors file inside; one upload is one file.")];
    }
    return [what, rest(only, "Upload the adapter as a .safetensors file.")];
  };
  const ownerSlug = () => (owner.selectedOptions ? owner.selectedOptions[0].textContent.trim() : owner.dataset.slug);

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
    current = null;
    const chosen = file.files[0];
    if (!chosen) return;
    const refusal = wrongEnding(chosen.name);
    file.setCustomValidity(refusal ? "Choose a .safetensors file." : "");
    meter.hidden = Boolean(refusal);
    if (refusal) {
      show(refusal[0], "error", refusal[1]);
      return;
    }
    suggestName(chosen.name);
    current = new tus.Upload(chosen, {
      endpoint: form.dataset.uploads,
      chunkSize: 16 * 1024 * 1024,
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
      metadata: { filename: chosen.name, owner: ownerSlug() },
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
    beside.textContent = text.textContent;
  });
})();
