// A chart of the last minutes: lines over time, and beside them what they are now, as text.

import { el, svg } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 100;

/**
 * @param {string} title
 * @param {{name: string}[]} series
 * @param {(value: number) => string} format a value with its unit
 * @param {{span: number, least: number, most?: number}} axis seconds shown; the least that the top stands for, or all that it ever does
 */
export function chart(title, series, format, { span, least, most }) {
  const values = series.map(() => el("dd", {}, "–"));
  const when = el("span", { className: "when" });
  const list = el("dl");
  series.forEach(({ name }, i) => {
    list.append(el("div", { className: `series s${i}` }, el("dt", {}, name), values[i]));
  });
  const lines = series.map((_, i) => svg("path", { class: `line s${i}`, "vector-effect": "non-scaling-stroke" }));
  const area = svg("path", { class: "area" });
  const cursor = svg("path", { class: "cursor", "vector-effect": "non-scaling-stroke" });
  const grid = svg("path", { class: "grid", d: `M0 ${HEIGHT / 2}H${WIDTH}`, "vector-effect": "non-scaling-stroke" });
  const options = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const drawing = svg("svg", options, grid, area, ...lines, cursor);
  const top = el("span", { className: "top", "aria-hidden": "true" });
  const from = el("div", { className: "axis", "aria-hidden": "true" });
  from.append(el("span", {}, `${Math.round(span / 60)} min ago`), el("span", {}, "now"));
  const heading = el("h2", {}, title, when);
  const element = el("section", { className: "chart" }, heading, list, el("div", { className: "plot" }, top, drawing), from);
  let points = [];
  let now = 0;
  let pointed = null;

  const x = (time) => WIDTH * (1 - (now - time) / span);

  function text() {
    const point = pointed === null ? points.at(-1) : nearest(points, now - span * (1 - pointed));
    values.forEach((value, i) => {
      const number = point?.values[i];
      value.textContent = number === null || number === undefined ? "–" : format(number);
    });
    when.textContent = pointed === null || !point ? "" : ` ${Math.round(now - point.time)} s ago`;
    cursor.setAttribute("d", pointed === null || !point ? "" : `M${x(point.time)} 0V${HEIGHT}`);
  }

  drawing.onpointermove = (event) => {
    const box = drawing.getBoundingClientRect();
    pointed = (event.clientX - box.left) / box.width;
    text();
  };
  drawing.onpointerleave = () => {
    pointed = null;
    text();
  };

  return {
    element,
    // Points are { time in seconds, values: number or null each }, in order.
    update(latest) {
      points = latest;
      now = points.at(-1)?.time ?? 0;
      const highest = Math.max(0, ...points.flatMap((point) => point.values.filter(Number.isFinite)));
      // Room above the highest, for the scale is written there.
      const scale = most ?? nice(Math.max(highest * 1.15, least));
      top.textContent = format(scale);
      const y = (value) => HEIGHT * (1 - Math.min(1, value / scale));
      lines.forEach((line, i) => line.setAttribute("d", path(points, i, x, y)));
      area.setAttribute("d", series.length === 1 ? areaBelow(points, x, y) : "");
      text();
    },
  };
}

// A line with gaps where there is no value.
function path(points, i, x, y) {
  let d = "";
  let pen = "M";
  for (const point of points) {
    const value = point.values[i];
    if (Number.isFinite(value)) {
      d += `${pen}${x(point.time).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    } else {
      pen = "M";
    }
  }
  return d;
}

function areaBelow(points, x, y) {
  const known = points.filter((point) => Number.isFinite(point.values[0]));
  if (known.length < 2) {
    return "";
  }
  const ends = [x(known[0].time).toFixed(1), x(known.at(-1).time).toFixed(1)];
  return `${path(known, 0, x, y)}L${ends[1]} ${HEIGHT}L${ends[0]} ${HEIGHT}Z`;
}

function nearest(points, time) {
  let best = null;
  for (const point of points) {
    if (!best || Math.abs(point.time - time) < Math.abs(best.time - time)) {
      best = point;
    }
  }
  return best;
}

// The next of 1, 2, 5 times a power of ten.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}
