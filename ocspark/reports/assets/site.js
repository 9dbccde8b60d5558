// Tables of the report: rows come with the page, DataTables sorts, searches and pages them.
"use strict";

function numberCell(digits) {
  return (value, type) => {
    if (value === null || value === undefined) return type === "display" ? "–" : -Infinity;
    return type === "display" ? Number(value).toFixed(digits) : value;
  };
}

// Names come from catalogues: they become text, never markup.
function textCell(value, type) {
  if (type !== "display") return value;
  const span = document.createElement("span");
  span.textContent = value;
  return span.innerHTML;
}

function linkCell(value, type, row) {
  if (type !== "display") return value;
  const link = document.createElement("a");
  link.href = row.page;
  link.textContent = value;
  return link.outerHTML;
}

function makeTable(element, spec) {
  const columns = spec.columns.map((column) => ({
    data: column.name,
    title: column.title,
    className: column.digits === undefined ? "dt-left" : "dt-right",
    type: column.digits === undefined ? "string" : "num",
    render: column.link ? linkCell
      : column.digits === undefined ? textCell : numberCell(column.digits),
  }));
  const index = spec.columns.findIndex((column) => column.name === spec.order[0]);
  return new DataTable(element, {
    data: spec.rows,
    columns,
    deferRender: true,
    pageLength: spec.pageLength,
    lengthMenu: [25, 50, 100, 500],
    order: [[index, spec.order[1]]],
  });
}

function filterClusters(table, spec) {
  const status = document.getElementById("filter-status");
  const members = document.getElementById("filter-members");
  const distance = document.getElementById("filter-distance");
  const atLeast = (value, limit) => limit === "" || (value !== null && value >= Number(limit));
  const atMost = (value, limit) => limit === "" || (value !== null && value <= Number(limit));
  table.search.fixed("controls", (text, row) =>
    (status.value === "" || row.status === status.value)
    && atLeast(row.n_p50, members.value) && atMost(row.distance, distance.value));
  for (const control of [status, members, distance]) {
    for (const event of ["input", "change"]) {
      control.addEventListener(event, () => table.draw());
    }
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const clusters = document.getElementById("clusters");
  if (clusters) filterClusters(makeTable(clusters, window.CLUSTERS), window.CLUSTERS);
  const members = document.getElementById("members");
  if (members) {
    const rows = JSON.parse(document.getElementById("members-data").textContent);
    makeTable(members, rows);
  }
});
