// Tables of the report: rows come with the page, DataTables sorts and pages them.
"use strict";

const NOTHING = "–", MINUS = "−";

// DataTables goes by a class, the rest of the page by the browser's own wish.
const dark = matchMedia("(prefers-color-scheme: dark)");
const setDark = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", setDark);
setDark();

function fixed(value, digits) {
  return Number(value).toFixed(digits).replace("-", MINUS);
}

// Names come from catalogues: they become text, never markup.
function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// People count: UBC 2 stands before UBC 10.
function naturalKey(text) {
  return String(text).toLowerCase().replaceAll("_", " ")
    .replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

// Words of a name, however it is written: "UBC7", "ubc 7" and "UBC_007" have the same.
function wordsOf(text) {
  return (String(text).toLowerCase().match(/\p{L}+|\d+/gu) || [])
    .map((word) => word.replace(/^0+(?=\d)/, ""));
}

function numberText(row, column, at) {
  const value = row[at[column.name]];
  if (value === null) return NOTHING;
  let text = fixed(value, column.digits);
  const error = column.error && row[at[column.error]];
  if (error !== null && error !== undefined && error !== "") text += ` ± ${fixed(error, column.digits)}`;
  const ends = column.interval && column.interval.map((name) => row[at[name]]);
  if (ends && ends.every((end) => end !== null)) {
    text += ` [${ends.map((end) => fixed(end, column.digits)).join(", ")}]`;
  }
  return text;
}

function renderer(column, at, spec) {
  const i = at[column.name];
  if (column.digits !== undefined) {
    return (_, type, row) => (type === "display" ? numberText(row, column, at)
      : row[i] === null ? -Infinity : row[i]);
  }
  return (_, type, row) => {
    const value = row[i];
    if (type === "sort" || type === "type") return naturalKey(value);
    if (type !== "display") return value;
    if (column.kind === "link") return element("a", value, { href: row[at.page] }).outerHTML;
    if (column.kind === "source") {
      const copy = element("button", "copy", {
        type: "button", "data-text": value, "aria-label": `copy ${value}`,
      }).outerHTML;
      if (!spec.source) return element("span", value).outerHTML + copy;
      const href = spec.source.replace("{source_id}", value);
      return element("a", value, { href, rel: "noreferrer" }).outerHTML + copy;
    }
    if (column.kind === "status" && value !== "done") {
      return element("span", value, { class: "reason" }).outerHTML;
    }
    return element("span", value).innerHTML;
  };
}

// Return the DataTable of a table element, with `at`: the place of each value in a row.
function makeTable(table, spec) {
  const at = Object.fromEntries(spec.names.map((name, i) => [name, i]));
  const columns = spec.columns.map((column) => ({
    data: at[column.name],
    name: column.name,
    title: column.title,
    visible: !column.hidden,
    className: (column.digits === undefined ? "dt-left" : "dt-right") + ` ${column.kind || ""}`,
    type: column.digits === undefined ? "string" : "num",
    orderSequence: column.digits === undefined ? ["asc", "desc"] : ["desc", "asc"],
    render: renderer(column, at, spec),
  }));
  const number = (name) => spec.columns.findIndex((column) => column.name === name);
  const made = new DataTable(table, {
    data: spec.rows,
    columns,
    deferRender: true,
    autoWidth: false,
    pageLength: spec.pageLength,
    lengthMenu: [25, 50, 100, 500],
    order: spec.order.map(([name, way]) => [number(name), way]),
    layout: { topStart: "pageLength", topEnd: "info", bottomStart: null, bottomEnd: "paging" },
  });
  spec.columns.forEach((column, i) => {
    const head = made.column(i).header();
    head.scope = "col";
    head.title = column.meaning;
  });
  return { table: made, at, number };
}

function copyText(text, button) {
  const said = button.textContent;
  const done = (word) => {
    button.textContent = word;
    setTimeout(() => { button.textContent = said; }, 1200);
  };
  const oldWay = () => {
    const area = document.body.appendChild(element("textarea", text));
    area.select();
    done(document.execCommand("copy") ? "copied" : "not copied");
    area.remove();
  };
  if (!navigator.clipboard) oldWay();
  else navigator.clipboard.writeText(text).then(() => done("copied"), oldWay);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-text], button[data-copies]");
  if (!button) return;
  copyText(button.dataset.text || document.getElementById(button.dataset.copies).textContent, button);
});

document.addEventListener("DOMContentLoaded", () => {
  const members = document.getElementById("members");
  if (!members) return;
  const spec = JSON.parse(document.getElementById("members-data").textContent);
  const { at } = makeTable(members, spec);
  const copy = document.getElementById("copy-ids");
  copy.addEventListener("click", () => {
    copyText(spec.rows.map((row) => row[at.source_id]).join("\n"), copy);
  });
});
