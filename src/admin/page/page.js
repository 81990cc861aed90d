
"use strict";
// Peers choose the names. Set them as text, never as markup, and never use them as property names.

const ROW_HEIGHT = 30;
const OVERSCAN = 10;
const FETCH_EVERY_MS = 2000;
const FETCH_TIMEOUT_MS = 10000;
const OLD_AFTER_MS = 10000;
// The time over which pulses/s are averaged.
const RATE_WINDOW_MS = 12000;

const byId = (id) => document.getElementById(id);
const scroll = byId("scroll");
const body = byId("rows");

let data = null;            // the latest answer
let receivedAt = 0;         // when it came, by performance.now()
let failure = null;         // why the latest request failed, or null
let rows = [];              // all rows that match the filter
let open = new Set();       // names of expanded topologies
let samples = [];           // earlier answers' pulse counts: {time, writes: Map}
let drawn = new Map();      // the rows in the document, by id

// ── Data ──

async function refresh() {
  const begun = performance.now();
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), FETCH_TIMEOUT_MS);
  try {
    const answer = await fetch("cluster.json", {cache: "no-store", signal: abort.signal});
    if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
    take(await answer.json());
    failure = null;
  } catch (error) {
    failure = abort.signal.aborted ? "no answer within 10 s" : error.message;
  } finally {
    clearTimeout(timer);
  }
  showState();
  const took = performance.now() - begun;
  setTimeout(refreshIfVisible, Math.max(FETCH_EVERY_MS, Math.min(10 * took, 30000)));
}

function refreshIfVisible() {
  if (document.hidden) {
    document.addEventListener("visibilitychange", refresh, {once: true});
  } else {
    refresh();
  }
}

function take(answer) {
  receivedAt = performance.now();
  const topologies = [];
  const writes = new Map();
  const before = samples.find((sample) => sample.time < answer.time_ms) ?? null;
  const group = (name, id, prefix, list, isOther) => {
    const topology = {name, id, isOther, workers: [], stale: 0, oldest: 0, bytes: 0, rate: null};
    for (const [worker, age, bytes, count] of list) {
      const path = prefix + worker;
      writes.set(path, count);
      const rate = rateOf(before, path, count, answer.time_ms);
      const stale = age >= answer.stale_after_ms;
      topology.workers.push({name: worker, id: "w" + path, age, bytes, rate, stale});
      topology.stale += stale;
      topology.oldest = Math.max(topology.oldest, age);
      topology.bytes += bytes;
      if (rate !== null) topology.rate = (topology.rate ?? 0) + rate;
    }
    topology.workers.sort(staleFirst((worker) => worker.stale, (worker) => worker.age));
    return topology;
  };
  for (const {name, workers} of answer.topologies) {
    topologies.push(group(name, "t" + name, `/workerbeats/${name}/`, workers, false));
  }
  topologies.sort(staleFirst((topology) => topology.stale > 0, (topology) => topology.oldest));
  if (answer.others.length > 0) topologies.push(group("Other keys", "o", "", answer.others, true));
  // Times are by the daemon's clock. If it was set back, drop the samples that are now in the future.
  samples = samples.filter((sample) => sample.time < answer.time_ms);
  samples.push({time: answer.time_ms, writes});
  while (samples.length > 2 && samples[1].time <= answer.time_ms - RATE_WINDOW_MS) samples.shift();
  data = {answer, topologies};
  showTotals();
  arrange();
}

// Stale rows first, the longest silent on top. Others by name, so that rows do not move.
function staleFirst(isStale, age) {
  return (one, other) => {
    if (isStale(one) !== isStale(other)) return isStale(one) ? -1 : 1;
    const byAge = isStale(one) ? age(other) - age(one) : 0;
    return byAge || (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);
  };
}

// The daemon counts pulses modulo 65536.
function rateOf(before, path, count, now) {
  const old = before === null ? undefined : before.writes.get(path);
  if (old === undefined) return null;
  return ((count - old + 65536) % 65536) * 1000 / (now - before.time);
}

// ── Above the table ──

function showState() {
  const age = data === null ? Infinity : performance.now() - receivedAt;
  const old = age > OLD_AFTER_MS;
  const missing = data === null ? [] : data.answer.missing_shards;
  const state = failure !== null || old ? "lost" : missing.length > 0 ? "waiting" : "live";
  byId("state").className = "state " + (data === null && failure === null ? "waiting" : state);
  setText("state-text", data === null && failure === null ? "waiting for data" :
    {lost: "no data", waiting: "incomplete", live: "live"}[state]);
  setText("state-age", data === null ? "" : `as of ${time(age)} ago`);
  scroll.classList.toggle("old", state === "lost");
  let alert = "";
  if (failure !== null) {
    alert = `The daemon does not answer (${failure}). The data below is old.`;
  } else if (data !== null && old) {
    alert = "The data is old: this page was in the background, or the daemon is slow to answer.";
  } else if (data !== null && data.answer.draining) {
    const {writers_left: writers, readers_left: readers} = data.answer;
    const left = writers === null ? "" : ` ${writers} workers and ${readers} readers are left.`;
    alert = `This daemon is draining: its clients move to another server.${left}`;
  } else if (missing.length > 0) {
    alert = `These shards do not answer: ${missing.join(", ")}. Their keys are missing below.`;
  } else if (data !== null && !data.answer.complete) {
    alert = `The daemon has ${data.answer.keys} keys, too many for this page: some are missing below.`;
  }
  // Set it only when it changes, because screen readers read it aloud.
  if (byId("alert").textContent !== alert) setText("alert", alert);
  byId("alert").hidden = alert === "";
}

function showTotals() {
  const {answer, topologies} = data;
  const real = topologies.filter((topology) => !topology.isOther);
  const sum = (of, list) => list.reduce((total, topology) => total + of(topology), 0);
  const stale = sum((topology) => topology.stale, topologies);
  setText("total-topologies", real.length);
  setText("total-workers", sum((topology) => topology.workers.length, real));
  setText("total-stale", stale);
  byId("stale-box").className = stale > 0 ? "some" : "";
  setText("total-others", answer.others.length);
  const measured = topologies.some((topology) => topology.rate !== null);
  setText("total-rate", measured ? rate(sum((topology) => topology.rate ?? 0, topologies)) : "–");
  setText("total-bytes", bytes(sum((topology) => topology.bytes, topologies)));
  const warmUp = answer.warm_up;
  byId("warm-up").hidden = warmUp.stage !== "on";
  setText("warm-up", `The daemon has just started, and clients may not be back: ${warmUp.waiting_reads} reads wait`
    + ` for pulses. ${warmUp.found_keys} of ${warmUp.asked_keys} keys that were asked for are back`
    + " (server.warm_up).");
  setText("version", `storm-pacemaker ${answer.version}`);
  const expiry = answer.expire_after_ms > 0
    ? `Its pulse is removed after ${time(answer.expire_after_ms)} (expire.after).`
    : "Its pulse is kept for ever (expire.after is 0ms).";
  setText("meaning", `Stale: no pulse for ${time(answer.stale_after_ms)} (expire.stale_after). Workers send a`
    + ` pulse every few seconds, so a stale worker is dead, cut off, or sends to another server. ${expiry}`);
  document.title = stale > 0 ? `${stale} stale – Storm heartbeats` : "Storm heartbeats";
}

// ── The table: only visible rows are in the document ──

function arrange() {
  if (data === null) return;
  const filter = byId("filter").value.trim().toLowerCase();
  const staleOnly = byId("stale-only").checked;
  rows = [];
  let shown = 0;
  for (const topology of data.topologies) {
    const whole = filter === "" || (!topology.isOther && topology.name.toLowerCase().includes(filter));
    const workers = topology.workers.filter((worker) => (!staleOnly || worker.stale)
      && (whole || worker.name.toLowerCase().includes(filter)));
    if (workers.length === 0) continue;
    shown += workers.length;
    // Show the workers that match the filter at once, unless the topology matches as a whole.
    const expanded = open.has(topology.id) || (filter !== "" && !whole);
    rows.push({id: topology.id, topology, expanded, workers: workers.length});
    if (expanded) for (const worker of workers) rows.push({id: worker.id, worker});
  }
  setText("shown", `${shown} keys in ${rows.filter((row) => row.topology).length} groups`);
  byId("table").setAttribute("aria-rowcount", rows.length + 1);
  draw();
}

function draw() {
  const first = Math.max(0, Math.floor(scroll.scrollTop / ROW_HEIGHT) - OVERSCAN);
  const height = scroll.clientHeight || 600;
  const last = Math.min(rows.length, first + Math.ceil(height / ROW_HEIGHT) + 2 * OVERSCAN);
  const now = new Map();
  const elements = [gap(first)];
  for (let index = first; index < last; index++) {
    const row = rows[index];
    const element = drawn.get(row.id) ?? (row.topology ? topologyRow(row.id) : workerRow());
    row.topology ? fillTopology(element, row) : fillWorker(element, row.worker);
    element.setAttribute("aria-rowindex", index + 2);
    now.set(row.id, element);
    elements.push(element);
  }
  elements.push(gap(rows.length - last));
  // Keep the focus on its row.
  const focus = document.activeElement;
  body.replaceChildren(...elements);
  if (focus !== document.activeElement && body.contains(focus)) focus.focus({preventScroll: true});
  drawn = now;
}

function gap(count) {
  const row = document.createElement("tr");
  row.className = "gap";
  row.setAttribute("aria-hidden", "true");
  const cell = document.createElement("td");
  cell.colSpan = 4; // narrow windows show four columns
  cell.style.height = `${Math.max(0, count) * ROW_HEIGHT}px`;
  row.append(cell);
  return row;
}

function emptyRow() {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  row.append(name);
  for (const kind of ["number", "number count", "number age", "number", "number"]) {
    const cell = document.createElement("td");
    cell.className = kind;
    row.append(cell);
  }
  return row;
}

function topologyRow(id) {
  const row = emptyRow();
  const button = document.createElement("button");
  button.type = "button";
  button.className = "toggle";
  button.append(document.createElement("bdi"));
  button.addEventListener("click", () => {
    open.has(id) ? open.delete(id) : open.add(id);
    arrange();
  });
  row.firstChild.append(button);
  return row;
}

function workerRow() {
  const row = emptyRow();
  row.firstChild.append(document.createElement("bdi"));
  return row;
}

function fillTopology(row, {topology, expanded, workers}) {
  row.className = "row topology" + (topology.stale > 0 ? " stale" : "");
  const button = row.firstChild.firstChild;
  button.setAttribute("aria-expanded", expanded);
  fill(row, button.firstChild, topology.name, [
    workers === topology.workers.length ? workers : `${workers} of ${topology.workers.length}`,
    topology.stale, `≤ ${time(topology.oldest)}`, bytes(topology.bytes), rate(topology.rate),
  ]);
}

function fillWorker(row, worker) {
  row.className = "row worker" + (worker.stale ? " stale" : "");
  fill(row, row.firstChild.firstChild, worker.name,
    ["", worker.stale ? "stale" : "", time(worker.age), bytes(worker.bytes), rate(worker.rate)]);
}

function fill(row, name, text, cells) {
  if (name.textContent !== text) name.textContent = text;
  row.firstChild.title = text;
  cells.forEach((cell, index) => {
    const element = row.children[index + 1];
    if (element.textContent !== String(cell)) element.textContent = cell;
  });
}

// ── Numbers as text ──

function setText(id, text) {
  byId(id).textContent = text;
}

function time(ms) {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit++;
  }
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

function rate(value) {
  if (value === null) return "–";
  return value >= 100 ? Math.round(value) : value.toFixed(value >= 10 ? 1 : 2);
}

// ── Controls ──

byId("filter").addEventListener("input", () => { scroll.scrollTop = 0; arrange(); });
byId("stale-only").addEventListener("change", () => { scroll.scrollTop = 0; arrange(); });
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("expand").addEventListener("click", () => {
  if (data !== null) open = new Set(data.topologies.map((topology) => topology.id));
  arrange();
});
byId("collapse").addEventListener("click", () => { open.clear(); arrange(); });
scroll.addEventListener("scroll", () => requestAnimationFrame(draw));
addEventListener("resize", draw);
setInterval(showState, 1000);
refresh();
