// Charts of the last five minutes, from /metrics: the same numbers, under the same names, that Prometheus would read.

import { ApiError, ask } from "./api.js";
import { chart } from "./chart.js";
import { byId } from "./dom.js";

const EVERY_MS = 1000;
const SPAN = 300;
// What is told of now is of so many seconds: less would jump, more would lag.
const RATE_WINDOW = 3;
const QUANTILE_WINDOW = 15;

// Of each metric that begins with the prefix: its name -> [{ le, value }].
export function parse(text, prefix) {
  const metrics = new Map();
  for (const line of text.split("\n")) {
    const match = line.startsWith(prefix) && /^([^\s{]+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match) {
      const bound = /(?:^|,)le="([^"]+)"/.exec(match[2] ?? "")?.[1];
      const list = metrics.get(match[1]) ?? [];
      list.push({ le: bound === "+Inf" ? Infinity : Number(bound), value: Number(match[3]) });
      metrics.set(match[1], list);
    }
  }
  return metrics;
}

// The quantile of what a histogram counted between two times, as Prometheus' histogram_quantile; null if nothing was.
export function quantile(q, now, before) {
  const earlier = new Map(before.map(({ le, value }) => [le, value]));
  const counts = now
    .map(({ le, value }) => ({ le, count: value - (earlier.get(le) ?? 0) }))
    .sort((a, b) => a.le - b.le);
  const rank = q * (counts.at(-1)?.count ?? 0);
  if (rank <= 0) {
    return null;
  }
  const at = counts.findIndex(({ count }) => count >= rank);
  const low = at > 0 ? counts[at - 1] : { le: 0, count: 0 };
  if (counts[at].le === Infinity) {
    return low.le;
  }
  return low.le + ((counts[at].le - low.le) * (rank - low.count)) / (counts[at].count - low.count);
}

function sample(text, time) {
  const metrics = parse(text, "vllm:");
  const sum = (name) => (metrics.get(`vllm:${name}`) ?? []).reduce((total, { value }) => total + value, 0);
  const buckets = (name) => metrics.get(`vllm:${name}_bucket`) ?? [];
  return {
    time,
    prompt: sum("prompt_tokens_total"),
    generated: sum("generation_tokens_total"),
    running: sum("num_requests_running"),
    waiting: sum("num_requests_waiting"),
    kv: sum("kv_cache_usage_perc"),
    queries: sum("prefix_cache_queries_total"),
    hits: sum("prefix_cache_hits_total"),
    ttft: buckets("time_to_first_token_seconds"),
    itl: buckets("inter_token_latency_seconds"),
  };
}

// Per second, from the sample so many seconds ago.
function rate(name, samples) {
  const [before, now] = window(samples, RATE_WINDOW);
  return before ? (now[name] - before[name]) / (now.time - before.time) : null;
}

function latency(name, q, samples) {
  const [before, now] = window(samples, QUANTILE_WINDOW);
  return before ? quantile(q, now[name], before[name]) : null;
}

// Of the prompts of late, or of all if there were none.
function hitRate(samples) {
  const [before, now] = window(samples, QUANTILE_WINDOW);
  const queries = now.queries - (before?.queries ?? 0);
  if (before && queries > 0) {
    return (now.hits - before.hits) / queries;
  }
  return now.queries > 0 ? now.hits / now.queries : null;
}

function window(samples, seconds) {
  const now = samples.at(-1);
  const before = samples.findLast(({ time }) => now.time - time >= seconds - 0.5) ?? samples[0];
  return [before === now ? null : before, now];
}

const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const tokens = (value) => `${value === 0 ? "0" : digits(value)} tok/s`;
const seconds = (value) => (value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`);
const whole = (value) => value.toFixed(0);
const percent = (value) => `${(value * 100).toFixed(1)} %`;
const named = (...names) => names.map((name) => ({ name }));

const CHARTS = [
  ["Throughput", named("prompt", "generation"), tokens, { least: 10 }, (s) => [rate("prompt", s), rate("generated", s)]],
  ["Time to first token", named("p50", "p95"), seconds, { least: 0.01 }, (s) => both("ttft", s)],
  ["Between tokens", named("p50", "p95"), seconds, { least: 0.01 }, (s) => both("itl", s)],
  ["Requests", named("running", "waiting"), whole, { least: 4 }, (s) => [s.at(-1).running, s.at(-1).waiting]],
  ["KV cache", named("in use"), percent, { least: 1, most: 1 }, (s) => [s.at(-1).kv]],
  ["Prefix cache", named("tokens found"), percent, { least: 1, most: 1 }, (s) => [hitRate(s)]],
];

const both = (name, samples) => [latency(name, 0.5, samples), latency(name, 0.95, samples)];

export function startLive() {
  const charts = CHARTS.map(([title, series, format, axis, values]) => {
    const view = chart(title, series, format, { span: SPAN, ...axis });
    byId("charts").append(view.element);
    return { view, values, points: [] };
  });
  let samples = [];
  let timer = 0;
  let visible = false;

  async function poll() {
    try {
      const text = await (await ask("metrics")).text();
      const latest = sample(text, performance.now() / 1000);
      if (samples.length > 0 && latest.generated < samples.at(-1).generated) {
        // The server was started anew: what it counted before is not to be compared.
        samples = [];
      }
      samples.push(latest);
      samples = samples.filter(({ time }) => latest.time - time <= QUANTILE_WINDOW + 2);
      for (const each of charts) {
        each.points.push({ time: latest.time, values: each.values(samples) });
        each.points = each.points.filter(({ time }) => latest.time - time <= SPAN);
      }
      byId("live-status").textContent = "";
    } catch (error) {
      byId("live-status").textContent = error instanceof ApiError ? error.describe() : String(error);
      if (error.status === 401 || error.status === 403) {
        // Another key may do.
        clearInterval(timer);
        timer = 0;
      }
    }
    if (visible) {
      charts.forEach(({ view, points }) => view.update(points));
    }
  }

  function begin() {
    if (timer === 0) {
      timer = setInterval(() => document.hidden || poll(), EVERY_MS);
      poll();
    }
  }

  document.addEventListener("key-changed", () => visible && begin());
  return {
    // Once begun it goes on behind the other views, so that the last minutes are there when one comes back.
    shown(now) {
      visible = now;
      if (visible) {
        charts.forEach(({ view, points }) => view.update(points));
        begin();
      }
    },
  };
}
