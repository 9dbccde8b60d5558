// The front page: what is looked for, the table of clusters and their map, kept in the address.
"use strict";

const RADIANS = Math.PI / 180;
const CONTROLS = { q: "find", status: "filter-status", members: "filter-members",
  distance: "filter-distance", colour: "colour" };
// Clusters shown around a position.
const NEAREST = 25;

function control(key) {
  return document.getElementById(CONTROLS[key]);
}

// Return {lon, lat, galactic} [deg] of a text that is a position, null of any other.
function positionOf(text) {
  const plain = text.replace(/[−–]/g, "-").replace(/(\d)\s*[hmsd°'"′″:]+/g, "$1 ").trim();
  const parts = /^(?:(l|gal)\s*=?|ra\s*=?)?\s*([-+\d.\s,]+?)\s*(?:(?:b|dec)\s*=?\s*([-+\d.\s]+))?$/i
    .exec(plain);
  const numbers = parts && `${parts[2]} ${parts[3] || ""}`.match(/[-+]?\d+(?:\.\d*)?/g);
  // Degrees, or hours and degrees with minutes and perhaps seconds.
  const first = numbers && { 2: 1, 4: 2, 5: 3, 6: 3 }[numbers.length];
  if (!first) return null;
  const inTurn = (texts) => (texts[0].startsWith("-") ? -1 : 1)
    * texts.reduce((sum, text, i) => sum + Math.abs(Number(text)) / 60 ** i, 0);
  const lon = inTurn(numbers.slice(0, first)) * (first > 1 ? 15 : 1);
  const lat = inTurn(numbers.slice(first));
  if (!(lon >= 0 && lon <= 360 && Math.abs(lat) <= 90)) return null;
  return { lon, lat, galactic: Boolean(parts[1]) };
}

function separation(lon1, lat1, lon2, lat2) {
  const half = (angle) => Math.sin(0.5 * angle * RADIANS) ** 2;
  const h = half(lat2 - lat1)
    + Math.cos(lat1 * RADIANS) * Math.cos(lat2 * RADIANS) * half(lon2 - lon1);
  return 2 * Math.asin(Math.min(1, Math.sqrt(h))) / RADIANS;
}

// Return the rows that a text finds, or null for all: exact names, or else parts of names or status.
function find(rows, at, text, words) {
  const wanted = wordsOf(text);
  if (!wanted.length) return null;
  const whole = ` ${wanted.join(" ")} `, part = wanted.join(" ");
  const exact = rows.filter((row) => ` ${words.get(row)} `.includes(whole));
  if (exact.length) return new Set(exact);
  const plain = text.trim().toLowerCase();
  return new Set(rows.filter((row) => words.get(row).includes(part)
    || row[at.status].toLowerCase().includes(plain)));
}

function startFront() {
  const spec = window.CLUSTERS;
  const { table, at, number } = makeTable(document.getElementById("clusters"), spec);
  const words = new Map(spec.rows.map((row) => [row, wordsOf(row[at.cluster]).join(" ")]));
  const away = number("separation");
  let found = null;

  function passes(row) {
    const limit = (key, test) => control(key).value === ""
      || (row[at[key]] !== null && test(row[at[key]], Number(control(key).value)));
    return (found === null || found.has(row))
      && row[at.status].startsWith(control("status").value)
      && limit("members", (value, least) => value >= least)
      && limit("distance", (value, most) => value <= most);
  }

  function look() {
    const place = positionOf(control("q").value);
    const [lon, lat] = place && place.galactic ? [at.l, at.b] : [at.ra, at.dec];
    for (const row of spec.rows) {
      row[at.separation] = place && row[lon] !== null
        ? separation(place.lon, place.lat, row[lon], row[lat]) : null;
    }
    const was = table.column(away).visible();
    if (place) {
      const near = spec.rows.filter((row) => row[at.separation] !== null)
        .sort((one, two) => one[at.separation] - two[at.separation]);
      found = new Set(near.slice(0, NEAREST));
      table.rows().invalidate();
      table.column(away).visible(true);
      table.order([away, "asc"]);
    } else {
      found = find(spec.rows, at, control("q").value, words);
      table.column(away).visible(false);
      if (was) table.order(spec.order.map(([name, way]) => [number(name), way]));
    }
  }

  function show() {
    look();
    table.draw();
    drawMap(spec, at, passes);
  }

  function keep() {
    const kept = new URLSearchParams();
    for (const key of Object.keys(CONTROLS)) {
      const value = control(key).value.trim();
      if (value !== "" && !(key === "colour" && value === "members")) kept.set(key, value);
    }
    const sorted = table.order().map(([i, way]) => `${spec.columns[i].name} ${way}`).join(",");
    const usual = spec.order.map((pair) => pair.join(" ")).join(",");
    if (sorted !== usual && !sorted.startsWith("separation")) kept.set("sort", sorted);
    const hash = kept.toString();
    if (hash !== location.hash.slice(1)) {
      history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    }
  }

  function restore() {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(CONTROLS)) {
      control(key).value = kept.get(key) ?? (key === "colour" ? "members" : "");
    }
    const sorted = (kept.get("sort") || "").split(",").map((pair) => pair.split(" "))
      .filter(([name, way]) => number(name) >= 0 && (way === "asc" || way === "desc"));
    if (sorted.length) table.order(sorted.map(([name, way]) => [number(name), way]));
    show();
  }

  table.search.fixed("controls", (text, row) => passes(row));
  for (const key of Object.keys(CONTROLS)) {
    const event = control(key).tagName === "SELECT" ? "change" : "input";
    control(key).addEventListener(event, () => { show(); keep(); });
  }
  restore();
  table.on("order", keep);
  window.addEventListener("hashchange", restore);
  new ResizeObserver(() => drawMap(spec, at, passes)).observe(document.getElementById("map"));
  startCard(spec, at);
}

// Mollweide's projection, the Galactic centre in the middle, longitude growing to the left:
// x in [-2, 2], y in [-1, 1].
function project(l, b) {
  const phi = b * RADIANS;
  let theta = phi;
  for (let i = 0; i < 50 && Math.abs(Math.abs(phi) - Math.PI / 2) > 1e-9; i += 1) {
    const step = (2 * theta + Math.sin(2 * theta) - Math.PI * Math.sin(phi))
      / (2 + 2 * Math.cos(2 * theta));
    theta -= step;
    if (Math.abs(step) < 1e-6) break;
  }
  const turned = ((l + 180) % 360 + 360) % 360 - 180;
  return [-turned / 90 * Math.cos(theta), Math.sin(theta)];
}

function shape(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function drawMap(spec, at, passes) {
  const box = document.getElementById("map");
  const width = Math.min(box.clientWidth, 900), height = width / 2 + 24;
  const scale = width / 4 - 4, middle = [width / 2, height / 2];
  const put = (l, b) => {
    const [x, y] = project(l, b);
    return [middle[0] + scale * x, middle[1] - scale * y];
  };
  const svg = shape("svg", { width, height, role: "img",
    "aria-label": "All clusters on the sky in Galactic coordinates; the table below has them too" });
  const line = (points) => svg.append(shape("polyline", { class: "grid-line",
    points: points.map(([l, b]) => put(l, b).map((v) => v.toFixed(1)).join()).join(" ") }));
  const steps = (from, to, step) => Array.from({ length: (to - from) / step + 1 }, (_, i) => from + i * step);
  for (const b of [-60, -30, 0, 30, 60]) line(steps(-180, 179.9, 359.9 / 60).map((l) => [l, b]));
  for (const l of [-180, -120, -60, 0, 60, 120, 179.9]) line(steps(-90, 90, 3).map((b) => [l, b]));
  for (const l of [120, 60, 0, 300, 240]) {
    const [x, y] = put(l, -60);
    svg.append(shape("text", { x, y: y + 13, "text-anchor": "middle" }, `${l}°`));
  }
  const key = control("colour").value, column = at[key];
  const log = key !== "log_age";
  const measure = (row) => (log ? Math.log10(Math.max(row[column], 1)) : row[column]);
  const done = spec.rows.filter((row) => row[at.status] === "done" && row[column] !== null);
  const all = done.map(measure);
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  const shade = (row) => spec.shades[Math.round(
    (spec.shades.length - 1) * (high > low ? (measure(row) - low) / (high - low) : 1))];
  const radius = Math.max(2.5, Math.min(4.5, 60 / Math.sqrt(spec.rows.length)));
  svg.dots = [];
  const dots = shape("g", { class: "chart" });
  for (const row of spec.rows) {
    if (row[at.l] === null) continue;
    const [cx, cy] = put(row[at.l], row[at.b]);
    const ring = row[at.status] !== "done" || row[column] === null;
    const style = ring ? { class: "ring" } : { fill: shade(row) };
    const faint = passes(row) ? {} : { opacity: 0.12 };
    dots.append(shape("circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: radius, ...style, ...faint }));
    svg.dots.push([cx, cy, row, passes(row)]);
  }
  svg.append(dots);
  box.replaceChildren(svg);
  const text = (value) => (key === "log_age" ? ageText(value) : Math.round(10 ** value).toLocaleString("en")
    + (key === "distance" ? " pc" : ""));
  document.getElementById("scale").replaceChildren(...(all.length ? [text(low),
    element("span", "", { class: "shades chart",
      style: `background: linear-gradient(to right, ${spec.shades.join()})` }), text(high)] : []));
}

function ageText(logAge) {
  const million = 10 ** (logAge - 6);
  return million >= 995 ? `${(million / 1000).toPrecision(2)} Gyr` : `${Number(million.toPrecision(2))} Myr`;
}

// Under the map: the cluster nearest to the pointer. A click opens it; a finger's first only shows.
function startCard(spec, at) {
  const box = document.getElementById("map"), card = document.getElementById("card");
  let shown = null;

  function nearest(event) {
    const svg = box.firstElementChild;
    if (!svg) return null;
    const frame = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = null, least = 24 ** 2;
    for (const [cx, cy, row, kept] of svg.dots) {
      const d = (cx - x) ** 2 + (cy - y) ** 2 + (kept ? 0 : 100);
      if (d < least) [best, least] = [row, d];
    }
    return best;
  }

  function show(row) {
    shown = row;
    const facts = row[at.status] !== "done" ? [row[at.status]]
      : [`${row[at.members].toLocaleString("en")} members`];
    if (row[at.distance] !== null) facts.push(`${row[at.distance].toLocaleString("en")} pc`);
    if (row[at.log_age] !== null) facts.push(`${ageText(row[at.log_age])} (log age ${fixed(row[at.log_age], 2)})`);
    card.replaceChildren(element("a", row[at.cluster], { href: row[at.page] }), `: ${facts.join(", ")}`);
  }

  box.addEventListener("pointermove", (event) => {
    const row = nearest(event);
    box.style.cursor = row ? "pointer" : "";
    if (row && row !== shown) show(row);
  });
  box.addEventListener("click", (event) => {
    const row = nearest(event);
    if (!row) return;
    const again = row === shown;
    show(row);
    if (event.pointerType !== "touch" || again) location.href = row[at.page];
  });
}

document.addEventListener("DOMContentLoaded", startFront);
