// SPDX-License-Identifier: Apache-2.0
// Shows the services' OpenAPI documents and lets each operation be tried. Everything that comes from a document or an answer is set as text,
// never as markup; what is typed into "Authorization" stays in this page's memory.
"use strict";

const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/** A schema in a line or a few, references resolved one step at a time. */
function describe(schema, root, depth = 0) {
  if (!schema) return "any";
  if (schema.$ref) {
    const target = schema.$ref.replace(/^#\//, "").split("/").reduce((value, key) => value?.[key], root);
    return depth > 4 ? schema.$ref.split("/").pop() : describe(target, root, depth + 1);
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  for (const word of ["oneOf", "anyOf"]) {
    if (schema[word]) return schema[word].map((one) => describe(one, root, depth + 1)).join(" | ");
  }
  if (schema.type === "array") return `[ ${describe(schema.items, root, depth + 1)}, … ]`;
  if (schema.properties) {
    const required = new Set(schema.required || []);
    const indent = "  ".repeat(depth + 1);
    const members = Object.entries(schema.properties).map(([name, value]) =>
      `${indent}${name}${required.has(name) ? "" : "?"}: ${describe(value, root, depth + 1)}`);
    return `{\n${members.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  const bounds = ["minimum", "maximum", "maxLength", "default"]
    .filter((word) => schema[word] !== undefined).map((word) => `${word} ${schema[word]}`);
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
  return [schema.format ? `${type} (${schema.format})` : type, ...bounds].join(", ");
}

function parameterTable(parameters, root) {
  const table = make("table", {}, make("tr", {}, ...["parameter", "in", "what", "value"].map((text) => make("th", {}, text))));
  const inputs = [];
  for (const parameter of parameters) {
    const input = make("input", { spellcheck: false, ariaLabel: parameter.name });
    inputs.push([parameter, input]);
    table.append(make("tr", {},
      make("td", {}, make("code", {}, parameter.name), parameter.required ? " *" : ""),
      make("td", {}, parameter.in),
      make("td", {}, `${parameter.description || ""} ${describe(parameter.schema, root)}`),
      make("td", {}, input)));
  }
  return { table, inputs };
}

async function send(method, path, inputs, body, contentType, output) {
  let address = path;
  const query = new URLSearchParams();
  const headers = {};
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "" && parameter.in === "query") query.set(parameter.name, input.value);
    else if (input.value !== "" && parameter.in === "header") headers[parameter.name] = input.value;
  }
  if (byId("authorization").value) headers.Authorization = byId("authorization").value;
  if (body) headers["Content-Type"] = contentType;
  const text = query.toString();
  try {
    const answer = await fetch(text ? `${address}?${text}` : address, { method, headers, body: body || undefined });
    let content = await answer.text();
    try { content = JSON.stringify(JSON.parse(content), null, 2); } catch { /* shown as it came */ }
    const shown = ["content-type", "location", "martlet-sequence", "retry-after"]
      .filter((name) => answer.headers.get(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
    output.textContent = [`${answer.status} ${answer.statusText}`, ...shown, "", content].join("\n");
  } catch (error) {
    output.textContent = String(error);
  }
  output.hidden = false;
}

function operation(path, method, item, shared, root) {
  const content = make("div", { className: "body" });
  const parameters = [...shared, ...(item.parameters || [])];
  const { table, inputs } = parameterTable(parameters, root);
  if (item.description) content.append(make("p", {}, item.description));
  if (parameters.length) content.append(table);
  const [contentType, media] = Object.entries(item.requestBody?.content || {})[0] || [];
  const text = make("textarea", { spellcheck: false, ariaLabel: "body" });
  if (contentType) content.append(make("p", {}, "Body, ", make("code", {}, contentType)), make("pre", {}, describe(media.schema, root)), text);
  const answers = make("table", {}, make("tr", {}, make("th", {}, "answer"), make("th", {}, "what")));
  for (const [status, response] of Object.entries(item.responses || {})) {
    const [type, described] = Object.entries(response.content || {})[0] || [];
    const isGood = status.startsWith("2") && described?.schema;
    answers.append(make("tr", {}, make("td", {}, make("code", {}, status)),
      make("td", {}, `${response.description || ""} ${type || ""}`, isGood ? make("pre", {}, describe(described.schema, root)) : "")));
  }
  const output = make("pre", { hidden: true });
  const button = make("button", { type: "button" }, "Send");
  button.addEventListener("click", () => send(method.toUpperCase(), path, inputs, text.value, contentType, output));
  content.append(button, output, answers);
  const details = make("details", {},
    make("summary", {}, make("b", { className: `method ${method}` }, method.toUpperCase()), make("span", { className: "path" }, path),
      make("span", {}, item.summary || "")), content);
  details.dataset.words = `${method} ${path} ${item.summary || ""}`.toLowerCase();
  return details;
}

function show(root) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(root.paths || {})) {
    for (const [method, item] of Object.entries(methods)) {
      if (!["get", "post", "put", "patch", "delete"].includes(method)) continue;
      const tag = item.tags?.[0] || "operations";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, item, methods.parameters || [], root));
    }
  }
  byId("operations").replaceChildren(...[...groups].map(([tag, list]) => make("section", {}, make("h2", {}, tag), ...list)));
  filter();
}

function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("section")) {
    let visible = 0;
    for (const details of section.querySelectorAll("details")) {
      details.hidden = !words.every((word) => details.dataset.words.includes(word));
      if (!details.hidden) visible += 1;
    }
    section.hidden = visible === 0;
  }
}

async function open(address) {
  for (const button of byId("services").children) button.ariaCurrent = String(button.dataset.address === address);
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address}: ${answer.status} ${answer.statusText}`);
    show(await answer.json());
    history.replaceState(null, "", `#${address}`);
  } catch (error) {
    byId("operations").replaceChildren(make("p", {}, String(error)));
  }
}

async function begin() {
  const { openapi } = await (await fetch("/")).json();
  for (const address of openapi) {
    const button = make("button", { type: "button" }, address.split("/").pop().replace(".json", ""));
    button.dataset.address = address;
    button.addEventListener("click", () => open(address));
    byId("services").append(button);
  }
  byId("filter").addEventListener("input", filter);
  const wanted = location.hash.slice(1);
  await open(openapi.includes(wanted) ? wanted : openapi[0]);
}

begin().catch((error) => byId("operations").replaceChildren(make("p", {}, String(error))));
