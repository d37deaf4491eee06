// The page: draws what the device tells. It gets numbers, never a picture, and keeps the token in this tab only.
import { WORDS } from "./words.js";

const $ = (id) => document.getElementById(id);
const KEY = "affect-edge-token";
const STEP = 0.02;  // how far an arrow key moves the crosshair, of the picture
let words = WORDS.en, view = null, state = null, corners = [], cross = null, drag = null, tableAt = 0, hoursShown = null;

const say = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name]);
const number = (value, digits) => value == null ? "–" : value.toLocaleString(words.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });

function element(name, attributes = {}, text = "") {
  const made = document.createElementNS(name.startsWith("svg:") ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", name.replace("svg:", ""));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function speak(language) {
  words = WORDS[language];
  document.documentElement.lang = language;
  $("language").value = language;
  for (const each of document.querySelectorAll("[data-say]")) each.textContent = say(each.dataset.say);
  $("picture").setAttribute("aria-label", say("picture_label"));
  if (view) { draw(); drawFaces(); }
  if (state) drawState();
}

async function post(path, body) {
  $("alert").textContent = "";
  const answer = await fetch(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` } }).catch(() => null);
  if (answer?.ok) return answer.json();
  $("alert").textContent = answer ? say(`error_${answer.status}`, { why: await answer.text() }) : say("gone");
  return null;
}

// The stream of server-sent events, read by fetch: EventSource could not send the token.
async function follow() {
  while (sessionStorage.getItem(KEY)) {
    try {
      const answer = await fetch("/events", { headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` } });
      if (answer.status === 401 || answer.status === 421) sessionStorage.removeItem(KEY);
      if (answer.ok) {
        $("login").hidden = true; $("live").hidden = false; $("alert").textContent = "";
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = "", part; !(part = await reader.read()).done;) {
          const events = (rest + part.value).split("\n\n");
          rest = events.pop();
          for (const event of events) take(JSON.parse(event.slice(6)));
        }
      } else $("alert").textContent = say(`error_${answer.status}`, { why: await answer.text() });
    } catch { $("alert").textContent = say("gone"); }
    await new Promise((done) => setTimeout(done, 2000));
  }
  $("login").hidden = false; $("live").hidden = true;
}

function take(told) {
  view = told;
  if (told.state) { state = told.state; drawState(); }
  draw();
  if (performance.now() - tableAt > 1000) { tableAt = performance.now(); drawFaces(); }
  (window.ages ??= []).push(Date.now() - told.at_ms);
  if (window.ages.length > 600) window.ages.shift();
}

const size = () => view && view.size_px[0] ? view.size_px : [640, 480];
const path = (points) => points.map(([x, y]) => `${x * size()[0]},${y * size()[1]}`).join(" ");

function draw() {
  const [width, height] = size(), picture = $("picture"), parts = [];
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const zone of state?.zones ?? []) {
    parts.push(element("svg:polygon", { class: "zone", points: path(zone.corners) }));
    const [x, y] = ["0", "1"].map((axis) => zone.corners.reduce((sum, corner) => sum + corner[axis], 0) / zone.corners.length);
    parts.push(element("svg:text", { x: x * width, y: y * height, "text-anchor": "middle", "font-size": width / 28 }, zone.name));
  }
  for (const dot of view?.dots ?? []) parts.push(element("svg:circle", { class: `dot ${dot.judgement}`, cx: dot.x * width, cy: dot.y * height, r: Math.max(dot.size_px / 2, width / 100) }));
  if (corners.length) parts.push(element("svg:polygon", { class: "draft", points: path(corners) }));
  for (const [x, y] of corners) parts.push(element("svg:circle", { class: "cross", cx: x * width, cy: y * height, r: width / 120 }));
  if (cross) parts.push(element("svg:path", { class: "cross", d: `M${cross[0] * width - 20},${cross[1] * height}h40m-20,-20v40` }));
  picture.replaceChildren(...parts);
  const closed = corners.length > 2;
  $("save-zone").disabled = !closed;
  $("drop-zone").disabled = !corners.length;
  const inside = closed ? (view?.dots ?? []).filter((dot) => within(dot, corners)).length : 0;
  tell("draft-state", corners.length ? say(closed ? "inside" : "corners", { n: closed ? inside : corners.length }) : "");
  const scored = (view?.dots ?? []).filter((dot) => dot.judgement === "scored").length;
  tell("seen", view && view.absent !== "no" ? say(`absent_${view.absent}`) : say("seen", { n: view?.dots.length ?? 0, scored }));
}

const tell = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };  // a reader hears changes only

function within(dot, polygon) {  // by the number of edges to the right of it
  return polygon.reduce((inside, [x, y], at) => {
    const [px, py] = polygon[(at + polygon.length - 1) % polygon.length];
    return (y > dot.y) !== (py > dot.y) && dot.x < ((px - x) * (dot.y - y)) / (py - y) + x ? !inside : inside;
  }, false);
}

function drawFaces() {
  const rows = (view?.dots ?? []).slice(0, 12).map((dot) => {
    const row = element("tr");
    row.append(element("td", {}, `${dot.size_px} px`), element("td", {}, number(dot.light, 0)), element("td", {}, number(dot.sharpness, 2)),
      element("td", { class: dot.judgement === "scored" ? "good" : "bad" }, say(`is_${dot.judgement}`)));
    return row;
  });
  $("faces").replaceChildren(...rows);
}

function drawState() {
  const { health, window: last, limits } = state;
  $("device").textContent = `${health.site} / ${health.device}`;
  tell("reach", say("reach", { px: number(limits.size_px, 0), light: number(limits.light, 0), sharpness: number(limits.sharpness, 2), far: limits.far_m.map(([lens, far]) => `${number(far, 1)} m (${lens}°)`).join(", ") }));
  const zones = state.zones.map((zone) => {
    const item = element("li");
    item.append(element("span", {}, zone.name + (zone.fixed ? ` – ${say("fixed")}` : "")));
    if (!zone.fixed) {
      const rename = element("button", { type: "button", "aria-label": `${say("rename")}: ${zone.name}` }, say("rename"));
      rename.onclick = () => { const to = prompt(say("zone_name"), zone.name); if (to) post("/change", { type: "rename", name: zone.name, to }); };
      const remove = element("button", { type: "button", "aria-label": `${say("remove")}: ${zone.name}` }, say("remove"));
      remove.onclick = () => post("/change", { type: "remove", name: zone.name });
      item.append(rename, remove);
    }
    return item;
  });
  if ($("zones").dataset.shown !== JSON.stringify([state.zones, words.locale])) {  // keeps the focus while nothing changes
    $("zones").dataset.shown = JSON.stringify([state.zones, words.locale]);
    $("zones").replaceChildren(...zones);
  }
  tell("covered", say("covered", { share: number(100 * health.covered, 0) }) + (health.moved ? ` ${say("moved")}` : ""));
  $("covered").className = health.moved ? "bad" : "";
  if (hoursShown !== state.hours.join("\n")) { hoursShown = state.hours.join("\n"); $("hours").value = hoursShown; }
  const time = (text) => new Date(text).toLocaleTimeString(words.locale, { hour: "2-digit", minute: "2-digit", timeZone: last.tz });
  tell("window", !last ? say("window_none") : `${time(last.start)}–${time(last.end)}: ` + (last.suppressed ? say("window_held", { why: say(`why_${last.suppressed}`) })
    : say("window_sent", { people: number(last.people, 0), valence: number(last.valence.mean, 2), arousal: number(last.arousal.mean, 2) })));
  const { delivery, board, model, windows } = health;
  const rows = [["broker", say(delivery.connected ? "connected" : "not_connected"), delivery.connected],
    ["outbox", say("waiting", { n: delivery.waiting, lost: delivery.evicted, refused: delivery.refused }), !delivery.evicted && !delivery.refused],
    ["clock", say(health.clock), health.clock === "synced"],
    ["model", `${model.name} ${model.version}, ${health.model_state}`, !["rolled_back", "fallback"].includes(health.model_state)],
    ["load", `${say(`load_${health.load.level}`)}, ${number(100 * (health.load.demand ?? 0), 0)} %`, health.load.level === "normal"],
    ["board", board.temperature_c == null ? "–" : `${number(board.temperature_c, 0)} °C`, !board.throttled && !board.under_voltage],
    ["windows", say("windows_told", { scored: windows.scored, few: windows.few_people }), true],
    ["staying", number(health.staying, 0), true], ["version", `${health.version} (${health.commit})`, true]];
  $("state").replaceChildren(...rows.flatMap(([name, value, good]) => [element("dt", {}, say(name)), element("dd", { class: good ? "" : "bad" }, value)]));
}

const round = (value) => Math.round(Math.min(Math.max(value, 0), 1) * 100) / 100;
const place = (event) => { const box = $("picture").getBoundingClientRect(); return [round((event.clientX - box.left) / box.width), round((event.clientY - box.top) / box.height)]; };

// A tap sets a corner; a drag draws a rectangle; arrows, Enter and Escape do the same from a keyboard.
$("picture").onpointerdown = (event) => { $("picture").setPointerCapture(event.pointerId); drag = place(event); cross = null; };
$("picture").onpointermove = (event) => {
  if (!drag) return;
  const [x, y] = place(event);
  if (Math.hypot(x - drag[0], y - drag[1]) > 0.04) { corners = [drag, [x, drag[1]], [x, y], [drag[0], y]]; draw(); }
};
$("picture").onpointerup = (event) => {
  const [x, y] = place(event);
  if (drag && Math.hypot(x - drag[0], y - drag[1]) <= 0.04 && corners.length < 32) corners.push([x, y]);
  drag = null; draw();
};
$("picture").onkeydown = (event) => {
  const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
  if (move) cross = cross ? cross.map((at, axis) => round(at + move[axis])) : [0.5, 0.5];
  else if (event.key === "Enter" && cross && corners.length < 32) corners.push(cross);
  else if (event.key === "Escape") { corners = []; cross = null; }
  else return;
  event.preventDefault(); draw();
};
$("drop-zone").onclick = () => { corners = []; draw(); };
$("draft").onsubmit = async (event) => {
  event.preventDefault();
  if (corners.length > 2 && await post("/change", { type: "add", name: $("zone-name").value.trim(), corners })) { corners = []; cross = null; $("zone-name").value = ""; draw(); }
};
$("hours-form").onsubmit = (event) => { event.preventDefault(); post("/change", { type: "hours", open: $("hours").value.split("\n").map((line) => line.trim()).filter(Boolean) }); };
$("login").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await post("/login", { code: $("code").value });
  if (answer) { sessionStorage.setItem(KEY, answer.token); $("code").value = ""; follow(); }
};
$("language").onchange = () => { localStorage.setItem("language", $("language").value); speak($("language").value); };

speak([localStorage.getItem("language"), ...navigator.languages.map((tag) => tag.slice(0, 2)), "en"].find((tag) => tag in WORDS));
if (sessionStorage.getItem(KEY)) follow();
