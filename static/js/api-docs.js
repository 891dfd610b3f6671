/* Draws the API reference from the OpenAPI description. */
"use strict";

(() => {
  const root = document.getElementById("api");
  const node = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  const typeOf = (schema) => {
    if (!schema) return "";
    if (schema.$ref) return schema.$ref.split("/").pop();
    if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
    if (schema.enum) return schema.enum.join(" | ");
    return Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type || "any";
  };

  const bodyOf = (content) => {
    const first = content && Object.values(content)[0];
    return first ? typeOf(first.schema) : "";
  };

  const fields = (spec, schema) => {
    const found = schema && schema.$ref ? spec.components.schemas[schema.$ref.split("/").pop()] : schema;
    if (!found || !found.properties) return null;
    const required = new Set(found.required || []);
    const list = node("dl", { class: "facts" });
    for (const [name, property] of Object.entries(found.properties)) {
      const note = [typeOf(property), required.has(name) ? "required" : "", property.description || ""];
      list.append(node("div", {}, node("dt", { class: "mono" }, name), node("dd", {}, note.filter(Boolean).join(", "))));
    }
    return list;
  };

  const operation = (spec, path, method, details) => {
    const fold = node("details", { class: "fold" });
    const label = node("summary", {}, node("span", { class: "badge badge--info" }, method.toUpperCase()), " ", node("code", {}, path), " ", node("span", { class: "muted small" }, (details.description || "").split(". ")[0]));
    fold.append(label, node("p", {}, details.description || ""));
    for (const parameter of details.parameters || []) {
      fold.append(node("p", { class: "muted" }, `${parameter.in} ${parameter.name}: ${typeOf(parameter.schema)}`));
    }
    const request = details.requestBody && Object.values(details.requestBody.content)[0];
    const list = request && fields(spec, request.schema);
    if (list) fold.append(node("h4", {}, "Body"), list);
    for (const [status, answer] of Object.entries(details.responses || {})) {
      fold.append(node("p", {}, node("strong", {}, status), ` ${bodyOf(answer.content)} ${answer.description || ""}`));
    }
    return fold;
  };

  fetch(root.dataset.schema)
    .then((answer) => answer.json())
    .then((spec) => {
      const groups = {};
      for (const [path, methods] of Object.entries(spec.paths)) {
        const group = path.split("/")[3] || "api";
        for (const [method, details] of Object.entries(methods)) {
          (groups[group] ||= []).push(operation(spec, path, method, details));
        }
      }
      root.replaceChildren();
      for (const [name, operations] of Object.entries(groups)) {
        root.append(node("section", { class: "card" }, node("h2", { class: "card__title" }, name), ...operations));
      }
    })
    .catch(() => {
      root.replaceChildren(node("p", { class: "notice notice--error" }, "The description could not be loaded. Reload the page."));
    });
})();
