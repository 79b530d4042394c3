// People's phones: which ring, with what and what one can do about it, who is on call at each level, and what was missed.
import { get, post } from "./api.js";
import { $, fill, h, keeper, svg } from "./dom.js";
import { avatar } from "./people.js";

const keep = keeper();
const HOW = { push: "a push message", phone: "a call", sms: "a text message" };
let state = null;

export async function refreshPhones(world) {
  state = await get("pagerduty/state").catch(() => state);
  if (!world || !state) return;
  const ringing = state.phones.filter((phone) => phone.ringing.length);
  $("phones").hidden = !state.levels.length;
  $("show-production").classList.toggle("ringing", ringing.length > 0);
  $("show-production").textContent = ringing.length ? `☎ ${ringing.length}` : "◉";
  $("show-production").setAttribute("aria-label", ringing.length ? `Production, and phones: ${names(ringing)} rings` : "Production");
  const said = ringing.length ? `The phone of ${names(ringing)} rings` : "";
  if ($("rings").textContent !== said) $("rings").textContent = said;
  fill($("phones"), [
    keep("title", state.maintenance, () => h("h2", {}, "Phones", ...state.maintenance.map((name) => h("span", { class: "chip" }, `${name}: maintenance`)),
      h("small", {}, "PagerDuty calls the next after"))),
    ...ringing.flatMap((phone) => phone.ringing.map((one) => keep(`ring-${phone.user}-${one.incident}`, [phone, one, world.users], () => ring(phone, one, world)))),
    keep("levels", [state.levels, state.phones.map((phone) => [phone.name, phone.missed]), taken(), world.users], () => levels(world)),
  ]);
}

const names = (phones) => phones.map((phone) => phone.name).join(" and ");

// What each user has acknowledged that is open, by its title.
function taken() {
  return Object.fromEntries(state.incidents.filter((one) => one.status === "acknowledged").flatMap((one) => one.acknowledgers.map((user) => [user, one.title])));
}

function face(phone, world) {
  const id = Object.keys(world.users).find((one) => world.users[one].name.toLowerCase() === phone.name.toLowerCase());
  return id ? avatar(id, world, " small") : h("span", { class: "avatar small", "aria-hidden": "true" }, phone.name[0]);
}

function handset() {
  return svg("svg", { viewBox: "0 0 24 24", class: "handset", "aria-hidden": "true" },
    svg("path", { d: "M7 1.5h10a2 2 0 0 1 2 2v17a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2v-17a2 2 0 0 1 2-2Zm0 3v13h10v-13Zm4 14.5v1.5h2V19Z" }));
}

function ring(phone, one, world) {
  const act = (what) => () => post(`pagerduty/${what}`, { user: phone.user, ...(what === "miss" ? {} : { incident: one.incident }) }).then(() => refreshPhones(world));
  const button = (label, what, properties) => h("button", { type: "button", "data-focus": `${what}-${phone.user}-${one.incident}`, onclick: act(what), ...properties }, label);
  return h("article", { class: "ring", "data-user": phone.name },
    h("header", {}, handset(), h("div", {}, h("strong", {}, `${phone.name}'s phone rings`), h("small", {}, `${HOW[one.channel] ?? one.channel} since ${clock(one.at)}`)),
      button("Miss it", "miss", { class: "quiet", "aria-label": `Miss it, as ${phone.name}` })),
    h("p", {}, one.title),
    h("div", { class: "actions" },
      button("Acknowledge", "acknowledge", { class: "primary", "aria-label": `Acknowledge ${one.title} as ${phone.name}` }),
      button("Can't: escalate", "escalate", { "aria-label": `Can't: escalate ${one.title} as ${phone.name}` })));
}

function levels(world) {
  const several = new Set(state.levels.map((level) => level.policy)).size > 1;
  const working = taken();
  return h("ol", { class: "levels", "aria-label": "On call" }, ...state.levels.map((level) => h("li", {},
    h("span", { class: "level", title: several ? level.policy : undefined }, `L${level.level}`),
    h("div", {}, ...level.people.map((id) => person(state.phones.find((phone) => phone.user === id), world, working)),
      level.people.length ? null : h("em", {}, "nobody is on call")),
    h("small", {}, minutes(level.minutes)))));
}

function person(phone, world, working) {
  const times = phone.missed.reduce((sum, one) => sum + one.times, 0);
  return h("span", { class: "oncall" }, face(phone, world), h("span", {}, phone.name),
    times ? h("span", { class: "missed", title: phone.missed.map((one) => `${one.title}: ${one.times}`).join("\n") }, `missed ${times}`) : null,
    working[phone.user] ? h("span", { class: "taken", title: working[phone.user] }, "is on it") : null);
}

const minutes = (number) => (number < 60 ? `${number} min` : `${Math.floor(number / 60)} h${number % 60 ? ` ${number % 60}` : ""}`);
const clock = (time) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit" }).format(new Date(time)) + " UTC";
