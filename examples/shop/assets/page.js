
// The page asks for /live once a second, and compares what it is told with what it was told before.

const EVERY = 1000;          // from one question to the next, in milliseconds
const PATIENCE = 3000;       // for an answer
const KEPT = 120;            // points of a chart
const WINDOW = 5000;         // over which a rate is taken
const MINUTE = 60000;

const $ = (id) => document.getElementById(id);
const say = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
const state = (id, word, is) => { say(id, word); $(id).dataset.state = is; };
const sum = (list, of) => list.reduce((all, one) => all + of(one), 0);

// Numbers, as they are read and not as they are computed.

const with_digits = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });
const rate = (value) => value === null ? "–" : value >= 10000 ? with_digits(value / 1000, 1) + "k" : with_digits(value, value < 10 ? 1 : 0);
const share = (part, of) => of > 0 ? percent(part / of) : "–";
// What is not all must not look like all.
const percent = (part) => with_digits(part > 0.99 && part < 1 ? Math.floor(part * 1000) / 10 : part * 100, 1);
const time = (ms) => ms < 0.1 ? `${with_digits(ms * 1000, 0)} µs` : ms < 10 ? `${with_digits(ms, 2)} ms` : ms < 1000 ? `${with_digits(ms, 0)} ms`
  : ms < 120000 ? `${with_digits(ms / 1000, 1)} s` : ms < 7200000 ? `${with_digits(ms / 60000, 0)} min` : `${with_digits(ms / 3600000, 0)} h`;
const bytes = (n) => n < 1 << 20 ? `${with_digits(n / 1024, 0)} KB` : `${with_digits(n / (1 << 20), 1)} MB`;
const plural = (n, what) => `${with_digits(n, 0)} ${what}${n === 1 ? "" : "s"}`;

// Shapes. Each chart is drawn anew: there are some hundred points at most.

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function chart(host, label, shapes, others = []) {
  const svg = shape("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": label });
  svg.append(...shapes, shape("line", { x1: 0, x2: 100, y1: 100, y2: 100, class: "axis" }));
  host.replaceChildren(svg, ...others);
}

function mark(name, text, left) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  if (left !== undefined) made.style.left = `${left}%`;
  return made;
}

const x_of = (at) => (at + KEPT - points.length) / (KEPT - 1) * 100;

/// A line over the last two minutes, with gaps where nothing is known.
function spark(id, label, of, top) {
  const values = points.map((point) => point && of(point));
  const most = top ?? Math.max(...values, 0.001);
  const runs = [];
  values.forEach((value, at) => {
    if (value === null || value === undefined) return void runs.push([]);
    if (runs.length === 0) runs.push([]);
    runs.at(-1).push(`${x_of(at).toFixed(2)},${(98 - value / most * 92).toFixed(2)}`);
  });
  const shapes = runs.filter((run) => run.length > 1).flatMap((run) => {
    const [from, to] = [run[0], run.at(-1)].map((point) => point.split(",")[0]);
    return [
      shape("polygon", { class: "under", points: `${from},100 ${run.join(" ")} ${to},100` }),
      shape("polyline", { class: "curve", points: run.join(" ") }),
    ];
  });
  chart($(id), label, shapes);
}

function layers() {
  const kinds = ["near", "shared", "database"];
  const heights = points.map((point) => kinds.map((kind) => point?.[kind] ?? 0));
  const most = Math.max(...heights.map((of) => sum(of, (n) => n)), 0.001);
  const below = heights.map(() => 0);
  // The database first: what costs most lies at the bottom, where it can be measured.
  const shapes = [2, 1, 0].map((kind) => {
    const at = (height, place) => `${x_of(place).toFixed(2)},${(100 - height / most * 96).toFixed(2)}`;
    const bottom = below.map(at).reverse();
    heights.forEach((of, place) => below[place] += of[kind]);
    return shape("polygon", { class: `fill-${kinds[kind]}`, points: [...below.map(at), ...bottom].join(" ") });
  });
  const is_empty = !heights.some((of) => sum(of, (n) => n) > 0);
  const marks = [mark("tick first", "2 minutes ago", 0), mark("tick", "1 minute ago", 50), mark("tick last", "now", 100)];
  marks.push(is_empty ? mark("hint", "Nothing was read in the last two minutes.") : mark("top", `${rate(most)} keys a second`));
  const last = points.findLast((point) => point);
  const label = last ? `Keys a second now: ${kinds.map((kind) => `${kind} ${rate(last[kind])}`).join(", ")}` : "Nothing yet";
  chart($("layers"), label, is_empty ? [] : shapes, marks);
}

/// Times on a scale of decades: half of them, and 99 of 100, in words above.
function histogram(id, bars, empty) {
  const n = sum(bars, (bar) => bar.n);
  if (n === 0) {
    say(id, "–");
    say(`${id}-unit`, "");
    return chart($(`${id}-bars`), empty, [], [mark("hint", empty)]);
  }
  const within = (part) => {
    let counted = 0;
    const bar = bars.find((bar) => (counted += bar.n) >= part * n);
    return (bar.from_ms + bar.to_ms) / 2;
  };
  const [half, most] = [within(0.5), within(0.99)];
  const [value, unit] = time(half).split(" ");
  say(id, value);
  say(`${id}-unit`, `${unit} at most for half of ${with_digits(n, 0)}, ${time(most)} for 99 of 100`);
  const decade = (ms, round) => round(Math.log10(Math.max(ms, 0.001)) + (round === Math.ceil ? -1e-9 : 1e-9));
  const first = Math.min(decade(bars[0].from_ms, Math.floor), decade(half, Math.floor));
  const last = Math.max(decade(bars.at(-1).to_ms, Math.ceil), first + 2);
  const x = (ms) => Math.max(0, (Math.log10(Math.max(ms, 1e-6)) - first) / (last - first) * 100);
  const highest = Math.max(...bars.map((bar) => bar.n));
  const shapes = bars.map((bar) => {
    const [left, right, height] = [x(bar.from_ms), x(bar.to_ms), Math.max(bar.n / highest * 96, 1.5)];
    return shape("rect", { x: left + 0.15, y: 100 - height, width: Math.max(right - left - 0.3, 0.4), height, fill: "currentColor" });
  });
  const ticks = [];
  for (let at = first; at <= last; at++) {
    ticks.push(mark(at === first ? "tick first" : at === last ? "tick last" : "tick", time(10 ** at), (at - first) / (last - first) * 100));
  }
  chart($(`${id}-bars`), `${plural(n, "time")}: half within ${time(half)}, 99 of 100 within ${time(most)}`, shapes, ticks);
}

// What is known: moments by process, since several may answer in turn, and points of the charts.

const moments = new Map();
const points = [];
let last_point_at = 0;

function totals(moment) {
  const { near, shared, database, unchanged, writes } = moment.requests;
  const keys = (of) => sum(moment.models, (model) => model[of]);
  return {
    at: moment.process.up_ms, reads: near + shared + database + unchanged, spared: near + shared + unchanged, writes,
    sql: keys("statements"), granted: keys("leases_granted"), refused: keys("leases_refused"), near: keys("near"), shared: keys("shared"), database: keys("database"), models: moment.models,
  };
}

/// How much a second from one to the other, and how much in all.
function between(earlier, later) {
  const seconds = Math.max(later.at - earlier.at, 1) / 1000;
  const grown = (of) => Math.max(later[of] - earlier[of], 0);
  const all = Object.fromEntries(["reads", "spared", "writes", "sql", "near", "shared", "database", "granted", "refused"].map((of) => [of, grown(of)]));
  const each = Object.fromEntries(Object.entries(all).map(([of, n]) => [of, n / seconds]));
  const n_requests = all.reads + all.writes;
  return { ...each, all, sql_a_request: n_requests > 0 ? all.sql / n_requests : null, share: all.reads > 0 ? all.spared / all.reads : null };
}

function take(moment) {
  const now = totals(moment);
  const earlier = moments.get(moment.process.id) ?? [];
  const since = (ms) => earlier.find((one) => one.at >= now.at - ms) ?? earlier.at(-1) ?? now;
  const last = earlier.at(-1);
  if (last && now.at > last.at) {
    const missed = Math.min(Math.round((Date.now() - last_point_at) / EVERY) - 1, KEPT);
    for (let n = 0; last_point_at > 0 && n < missed; n++) points.push(null);
    points.push(between(last, now));
    points.splice(0, points.length - KEPT);
    last_point_at = Date.now();
  }
  moments.set(moment.process.id, [...earlier.filter((one) => one.at >= now.at - MINUTE), now]);
  show(moment, now, between(since(WINDOW), now), between(since(MINUTE), now), since(WINDOW));
}

// What is shown.

function show(moment, now, lately, minute, earlier) {
  const { process, near, breaker, relay, delays, requests } = moment;
  const others = moments.size > 1 ? `, one of ${moments.size} that have answered` : "";
  say("process", `Process ${process.pid}, up for ${time(process.up_ms)}${others}`);
  const of_minute = minute.all.reads > 0;
  say("spared", of_minute ? share(minute.all.spared, minute.all.reads) : share(now.spared, now.reads));
  if (now.reads > 0) {
    const n = with_digits(of_minute ? minute.all.reads : now.reads, 0);
    say("spared-note", `Of ${n} reads ${of_minute ? "in the last minute" : "since the process began"}: answered from its memory or from Redis.`);
  }
  const known = points.length > 0;
  say("reads", known ? rate(lately.reads) : "–");
  say("writes", known ? rate(lately.writes) : "–");
  say("sql", minute.sql_a_request === null ? "–" : with_digits(minute.sql_a_request, 2));
  spark("spared-spark", "Share of reads without SQL over two minutes", (point) => point.share, 1);
  spark("reads-spark", "Reads a second over two minutes", (point) => point.reads);
  spark("writes-spark", "Writes a second over two minutes", (point) => point.writes);
  spark("sql-spark", "SQL statements a second over two minutes", (point) => point.sql);
  layers();
  const n_keys = minute.all.near + minute.all.shared + minute.all.database;
  for (const kind of ["near", "shared", "database"]) say(`share-${kind}`, n_keys > 0 ? `${share(minute.all[kind], n_keys)} %` : "–");
  histogram("announced", delays.announced, near ? "No question was answered yet." : "Nothing is kept near.");
  histogram("relayed", delays.relayed, relay === null ? "Nothing is shared, so nobody is told." : relay.leads ? "Nobody has written past the service yet." : "Another process relays: it has these figures.");
  table(moment.models, earlier, now);

  // Whoever else loads the same is refused as well, so one refusal means nothing.
  const is_new = lately.all.granted === 0 && lately.all.refused > 2;
  const [word, is] = breaker === null ? ["none", "waiting"]
    : { closed: is_new ? ["new", "warn"] : ["answers", "good"], recovering: ["comes back", "warn"], open: ["away", "bad"] }[breaker.state];
  state("breaker", word, is);
  say("breaker-note", breaker === null ? "The process shares nothing."
    : breaker.state === "open" ? "The breaker is open: reads go to the database, writes to the outbox."
    : breaker.state === "recovering" ? "The breaker lets it be filled again little by little."
    : is_new ? "It was started a moment ago: for some seconds nothing is put into it, since writes may be under way that it does not know of."
    : `The breaker is closed. It has ${breaker.n_opened === 0 ? "never opened" : `opened ${plural(breaker.n_opened, "time")}`}.`);

  if (near === null || near.proof_age_ms === null) state("near", near === null ? "none" : "passed by", near === null ? "waiting" : "bad");
  else state("near", near.copies === 1 ? "1 copy" : `${with_digits(near.copies, 0)} copies`, "good");
  say("near-note", near === null ? "" : near.proof_age_ms === null ? "Redis does not tell of changes, so no copy is served."
    : `${bytes(near.bytes)} of ${bytes(near.capacity_bytes)}. Copies are known to be good as of ${time(near.proof_age_ms)} ago.`);

  const is_behind = relay?.waiting > 0 && relay.oldest_ms > 1000;
  if (relay === null) state("relay", "none", "waiting");
  else if (is_behind) state("relay", "behind", "warn");
  else state("relay", relay.leads ? "leads" : "stands by", relay.waiting === null ? "waiting" : "good");
  say("relay-note", relay === null ? "Nothing is shared, so there is nobody to tell."
    : (relay.waiting === null ? "It is not known what waits in the outbox."
    : relay.waiting > 0 ? `${plural(relay.waiting, "row")} wait, the oldest for ${time(relay.oldest_ms ?? 0)}.`
    : "Nothing waits in the outbox.") + (relay.n_rows > 0 ? ` ${plural(relay.n_rows, "row")} relayed by this process.` : ""));
  state("errors", with_digits(requests.failed, 0), requests.failed > 0 ? "bad" : "good");
  $("demo").hidden = !moment.demo;
}

function table(models, earlier, now) {
  if (models.length === 0) return;
  const seconds = Math.max(now.at - earlier.at, 1) / 1000;
  const rows = models.map((model) => {
    const before = earlier.models.find((one) => one.name === model.name);
    const grown = (of) => Math.max(model[of] - (before?.[of] ?? 0), 0) / seconds;
    return { model, keys: grown("near") + grown("shared") + grown("database"), sql: grown("statements") };
  });
  rows.sort((one, other) => other.keys - one.keys || one.model.name.localeCompare(other.model.name));
  $("models").replaceChildren(...rows.map(({ model, keys, sql }) => {
    const cell = (text) => Object.assign(document.createElement("td"), { textContent: text });
    const split = document.createElement("div");
    const n = model.near + model.shared + model.database;
    split.className = "split";
    split.setAttribute("role", "img");
    const kinds = ["near", "shared", "database"];
    split.setAttribute("aria-label", n > 0 ? kinds.map((kind) => `${kind} ${share(model[kind], n)} %`).join(", ") : "no key was asked for");
    split.title = split.getAttribute("aria-label");
    split.append(...kinds.filter((kind) => model[kind] > 0).map((kind) => {
      const part = document.createElement("i");
      part.className = kind;
      part.style.width = `${model[kind] / n * 100}%`;
      return part;
    }));
    const found = document.createElement("td");
    found.append(split);
    const row = document.createElement("tr");
    row.className = keys > 0 ? "" : "idle";
    row.append(cell(model.name), cell(rate(keys)), found, cell(rate(sql)), cell(with_digits(model.rows_written, 0)), cell(with_digits(model.dropped, 0)));
    return row;
  }));
}

// Asking, and asking again.

let n_failed = 0;
let timer = 0;
let is_looking = false;

async function look() {
  clearTimeout(timer);
  if (document.hidden || is_looking) return;
  is_looking = true;
  try {
    const answer = await fetch("/live", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const moment = await answer.json();
    n_failed = 0;
    state("status", "Live", "good");
    delete document.body.dataset.lost;
    take(moment);
  } catch (error) {
    n_failed += 1;
    state("status", "Connection lost, trying again", "bad");
    document.body.dataset.lost = "";
    console.debug("not told of the figures", error);
  }
  is_looking = false;
  timer = setTimeout(look, n_failed > 0 ? Math.min(EVERY * n_failed, 5000) : EVERY);
}

addEventListener("online", look);
document.addEventListener("visibilitychange", look);
look();

// Things to try. The first users are for the UPDATE, and the others for the load: whoever watches a row should be the only one to change it.

const FOR_UPDATES = 5;
let everybody = null;

async function send(method, path, body) {
  // With `cache` it would ask for what is not kept anywhere, as no usual client does.
  const options = { method, signal: AbortSignal.timeout(10000) };
  if (body) Object.assign(options, { headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const answer = await fetch(path, options);
  return { answer, body: await answer.json().catch(() => null) };
}

async function people() {
  if (everybody === null) {
    const { answer, body } = await send("POST", "/demo/users", {});
    if (!answer.ok) throw new Error(`no users to try it with: ${answer.status}`);
    everybody = body;
  }
  return everybody;
}

const any = (list) => list[Math.floor(Math.random() * list.length)];
const hex = () => Math.floor(Math.random() * 2 ** 32).toString(16).padStart(8, "0");

// A browser opens six connections to one place: the others are for the figures and the UPDATE.
const MOST_AT_ONCE = 4;
let load = null;

$("load").addEventListener("submit", (event) => {
  event.preventDefault();
  if (load) stop("Stopped");
  else start();
});

async function start() {
  const mine = { begun: Date.now(), last: Date.now(), answered: 0, refused: 0, failed: 0, under_way: 0, wait_until: 0, due: { reads: 0, writes: 0 } };
  load = mine;
  $("load-button").textContent = "Stop";
  $("load-button").setAttribute("aria-pressed", "true");
  say("load-says", "Running.");
  try {
    mine.people = (await people()).slice(FOR_UPDATES);
    mine.timer = setInterval(() => tick(mine), 25);
  } catch (error) {
    stop(`Not running: ${error.message}`);
  }
}

function stop(why) {
  if (!load) return;
  clearInterval(load.timer);
  say("load-says", `${why}: ${done(load)}.`);
  say("load-count", "");
  load = null;
  $("load-button").textContent = "Start";
  $("load-button").setAttribute("aria-pressed", "false");
}

function done({ answered, refused, failed }) {
  const others = (refused > 0 ? `, ${with_digits(refused, 0)} refused as too many` : "") + (failed > 0 ? `, ${with_digits(failed, 0)} failed` : "");
  return `${plural(answered, "request")} answered${others}`;
}

function tick(mine) {
  if (load !== mine) return clearInterval(mine.timer);
  const now = Date.now();
  if (now - mine.begun > MINUTE) return stop("A minute is over");
  if (document.hidden) return stop("Stopped, since nobody looks");
  for (const kind of ["reads", "writes"]) {
    const due = mine.due[kind] + Number($(`load-${kind}`).value) * (now - mine.last) / 1000;
    // What could not be sent in time is not made up for.
    mine.due[kind] = Math.min(due, MOST_AT_ONCE);
  }
  mine.last = now;
  say("load-count", `${Math.ceil((MINUTE - now + mine.begun) / 1000)} s left, ${done(mine)}.`);
  for (const kind of ["writes", "reads"]) {
    while (mine.due[kind] >= 1 && mine.under_way < MOST_AT_ONCE && now >= mine.wait_until) {
      mine.due[kind] -= 1;
      one(mine, kind);
    }
  }
}

async function one(mine, kind) {
  mine.under_way += 1;
  const path = `/users/${any(mine.people).id}`;
  try {
    const { answer } = kind === "writes" ? await send("PATCH", path, { email: `demo-${hex()}@shop.example` })
      : await send("GET", path + any(["", "", "", "?include=orders.items", "/orders?limit=5"]));
    if (answer.ok) mine.answered += 1;
    else if (answer.status === 429 || answer.status === 503) {
      mine.refused += 1;
      mine.wait_until = Date.now() + 1000 * Number(answer.headers.get("retry-after") ?? 1);
    } else mine.failed += 1;
  } catch {
    mine.failed += 1;
    mine.wait_until = Date.now() + 1000;
  }
  mine.under_way -= 1;
}

const NEAR_WITHIN = 3000;
const SEEN_WITHIN = 10000;
let is_updating = false;

$("update-button").addEventListener("click", async () => {
  if (is_updating) return;
  is_updating = true;
  $("update-button").setAttribute("aria-disabled", "true");
  try {
    await update();
  } catch (error) {
    say("update-says", `It did not work: ${error.message}`);
  }
  is_updating = false;
  $("update-button").removeAttribute("aria-disabled");
});

async function update() {
  say("update-says", "Reading the row until it is near …");
  const { id } = any((await people()).slice(0, FOR_UPDATES));
  const read = async () => {
    const { answer, body } = await send("GET", `/users/${id}`);
    if (answer.status === 429) {
      await new Promise((done) => setTimeout(done, 1000 * (Number(answer.headers.get("retry-after")) || 1)));
      return read();
    }
    if (!answer.ok) throw new Error(`a read was answered with ${answer.status}`);
    return { email: body.email, from: answer.headers.get("x-cache") };
  };
  const warm_until = performance.now() + NEAR_WITHIN;
  let before = await read();
  while (before.from !== "near" && performance.now() < warm_until) {
    await new Promise((done) => setTimeout(done, 15));
    before = await read();
  }
  say("update-says", "Sent …");
  const { answer, body } = await send("POST", "/demo/update", { id });
  if (!answer.ok) throw new Error(`the UPDATE was answered with ${answer.status}`);
  const committed = performance.now();
  $("update-sql").textContent = `UPDATE users SET email = '${body.email}' WHERE id = '${id}';`;
  let n_old = 0;
  while ((await read()).email === before.email) {
    n_old += 1;
    if (performance.now() - committed > SEEN_WITHIN) return say("update-says", `Not seen within ${SEEN_WITHIN / 1000} s.`);
  }
  const after = performance.now() - committed;
  const old = before.from !== "near" ? "it was not near before, as Redis may have come just now"
    : n_old === 0 ? "the first read had the new address" : `${plural(n_old, "read")} before still had the old address`;
  say("update-says", `Seen after ${with_digits(after, after < 10 ? 1 : 0)} ms: ${old}.`);
  const item = document.createElement("li");
  item.textContent = with_digits(after, after < 10 ? 1 : 0);
  $("update-list").append(item);
  while ($("update-list").children.length > 10) $("update-list").firstChild.remove();
}
