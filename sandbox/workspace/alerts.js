// What the monitoring says: alerts that fire, the gravest first and equal ones together, and those that are silenced.
import { get } from "./api.js";
import { h, keeper } from "./dom.js";

const keep = keeper();
const GRAVITY = ["critical", "warning", "info"];
const SHOWN = 5;
let alerts = null;
let more = false; // whether those beyond the first few are shown

export async function refreshAlerts() {
  alerts = await get("alertmanager/alerts").catch(() => alerts);
}

// The nodes that stand above what runs; none where there is no monitoring.
export function alertNodes(world, scenario) {
  if (!alerts || !(scenario.alerts?.length || alerts.length)) return [];
  const firing = together(alerts.filter((one) => !one.silenced));
  const silenced = together(alerts.filter((one) => one.silenced));
  const minute = Math.floor(Date.parse(world.now) / 60000);
  return [keep("alerts", [firing, silenced, minute, world.users[world.me].tz], () => section(firing, silenced, world))];
}

// How many alerts about an environment fire that somebody has to know of: those that are told by a label, or by the namespace.
export function troubles(name, space) {
  const about = (one) => one.labels.environment === name || one.labels.namespace === space;
  return (alerts ?? []).filter((one) => !one.silenced && one.severity !== "info" && about(one)).length;
}

// Alerts of one name, service and silence become one line, with the number of them and the time of the first.
function together(found) {
  const lines = new Map();
  for (const one of found) {
    const key = JSON.stringify([one.name, one.labels.service, one.severity, one.silenced?.id]);
    const line = lines.get(key) ?? { ...one, count: 0 };
    lines.set(key, { ...line, count: line.count + 1, since: one.since < line.since ? one.since : line.since });
  }
  const grave = (one) => (GRAVITY.includes(one.severity) ? GRAVITY.indexOf(one.severity) : GRAVITY.length);
  return [...lines.values()].sort((a, b) => grave(a) - grave(b) || a.since.localeCompare(b.since) || a.name.localeCompare(b.name));
}

function section(firing, silenced, world) {
  const all = firing.reduce((sum, one) => sum + one.count, 0);
  return h("section", { id: "alerts", "aria-label": "Alerts" },
    h("header", {}, h("h2", {}, "Alerts"), h("small", { role: "status" }, all ? `${all} firing` : "nothing fires")),
    firing.length ? h("ul", {}, ...firing.slice(0, SHOWN).map((one) => line(one, world))) : null,
    firing.length > SHOWN ? rest(firing.slice(SHOWN), world) : null,
    silenced.length ? h("ul", { "aria-label": "Silenced" }, ...silenced.map((one) => line(one, world))) : null);
}

function rest(lines, world) {
  const count = lines.reduce((sum, one) => sum + one.count, 0);
  const node = h("details", { open: more, ontoggle: () => { more = node.open; } },
    h("summary", { "data-focus": "more-alerts" }, `and ${count} more`), h("ul", {}, ...lines.map((one) => line(one, world))));
  return node;
}

function line(one, world) {
  const severity = one.severity ?? "no severity";
  const labels = Object.entries(one.labels).map(([name, value]) => `${name}=${value}`).join("\n");
  return h("li", { class: `alert ${one.silenced ? "silenced" : severity}`, "data-alert": one.name, title: labels },
    h("header", {}, h("strong", {}, one.name), one.count > 1 ? h("span", { class: "count" }, `${one.count} alerts`) : null,
      h("span", { class: "chip" }, one.silenced ? "silenced" : severity)),
    one.summary ? h("p", {}, one.summary) : null,
    h("small", {}, one.silenced ? quiet(one.silenced, world) : `since ${clock(one.since, world)}, ${ago(one.since, world)}`));
}

const quiet = (silence, world) => `by ${silence.by}, until ${clock(silence.until, world)}${silence.comment ? `: ${silence.comment}` : ""}`;

const clock = (time, world) => new Intl.DateTimeFormat("en-GB", { timeZone: world.users[world.me].tz, hour: "2-digit", minute: "2-digit" }).format(new Date(time));

function ago(time, world) {
  const minutes = Math.floor((Date.parse(world.now) - Date.parse(time)) / 60000);
  if (minutes < 1) return "just now";
  return minutes < 60 ? `${minutes} min` : minutes < 2880 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1440)} days`;
}
