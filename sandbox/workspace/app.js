// The workspace page: asks for what one person sees, shows it, and asks again after every change.
import { get, post } from "./api.js";
import { blocks } from "./blocks.js";
import { composer } from "./composer.js";
import { $, fill, h, keeper } from "./dom.js";
import { messageNodes } from "./messages.js";
import { showModal } from "./modal.js";
import { avatar, isApp, title } from "./people.js";
import { refreshPhones } from "./phones.js";
import { refreshProduction } from "./production.js";
import { refreshTroubles, toggle, troubles } from "./troubles.js";
import { showThings } from "./trying.js";

const memory = {
  get: (name) => localStorage.getItem(`workspace.${name}`),
  set: (name, value) => localStorage.setItem(`workspace.${name}`, value),
};
const open = { user: memory.get("user"), channel: null, thread: null, tab: "messages" };
const keep = keeper();
let world = null;
let scenario = {};

// --- asking

let asking = false;
let stale = false;
async function refresh() {
  if (asking) { stale = true; return; }
  asking = true;
  const channel = open.channel;
  try {
    const query = { user: open.user, ...(channel ? { channel } : {}) };
    const answer = await get("slack/state", query);
    if (query.user !== open.user || channel !== open.channel) return; // somebody went elsewhere meanwhile: asked again below
    world = answer;
    open.channel = world.channel;
    show();
    outage(world.down && !troubles.some((one) => one.on) ? "Slack is down: nothing is sent or received." : "");
  } catch {
    outage("The sandbox does not answer. Trying again…");
  } finally {
    asking = false;
    if (stale) { stale = false; refresh(); }
  }
}

async function look() {
  await Promise.all([refresh(), refreshTroubles()]);
  await Promise.all([refreshPhones(world), refreshProduction(world, scenario)]);
}

function outage(text) {
  $("outage").textContent = text;
  $("outage").hidden = !text;
}

function listen() {
  const stream = new EventSource("/_sandbox/slack/events");
  stream.onmessage = look;
}

// --- showing

function show() {
  document.title = `${world.team.name}: workspace`;
  $("team").textContent = world.team.name;
  showPeople();
  showSidebar();
  showRoom();
  showClock();
  showModal(world);
}

function showPeople() {
  const people = Object.entries(world.users).filter(([, user]) => !user.is_bot);
  const options = people.map(([id, user]) => h("option", { value: id, selected: id === world.me }, user.title ? `${user.name}: ${user.title}` : user.name));
  if ($("be").dataset.for !== world.me + people.length) {
    $("be").replaceChildren(...options);
    $("be").dataset.for = world.me + people.length;
  }
}

const seen = (channel) => memory.get(`seen.${world.me}.${channel}`) ?? "";

function showSidebar() {
  const current = world.channels.find((channel) => channel.id === world.channel);
  if (current.latest) memory.set(`seen.${world.me}.${current.id}`, current.latest);
  const named = (a, b) => title(a, world).localeCompare(title(b, world));
  fill($("channels"), world.channels.filter((channel) => !channel.with.length).sort(named).map(conversation));
  fill($("directs"), world.channels.filter((channel) => channel.with.length).map(conversation));
  showThings(world, troubles, { be, write, advance, trouble: toggle });
}

function conversation(channel) {
  const here = channel.id === world.channel;
  const unread = !here && channel.latest && channel.latest > seen(channel.id);
  const called = title(channel, world);
  return keep(`conversation-${channel.id}`, [here, unread, called, channel.archived, world.me], () => h("li", {}, h("a", {
    href: `#${channel.id}`, "data-focus": channel.id, "aria-current": here ? "page" : undefined, class: `${unread ? "unread" : ""}${channel.archived ? " archived" : ""}`,
  }, h("span", { class: "sigil", "aria-hidden": "true" }, channel.with.length ? "●" : channel.kind === "private" ? "🔒" : "#"), called,
  isApp(channel, world) ? h("small", { class: "badge" }, "app") : null, unread ? h("span", { class: "news", role: "img", "aria-label": "unread" }) : null)));
}

function showRoom() {
  const channel = world.channels.find((one) => one.id === world.channel);
  $("room").textContent = (channel.with.length ? "" : "#") + title(channel, world);
  $("topic").textContent = channel.topic;
  $("tabs").hidden = !isApp(channel, world);
  if (!isApp(channel, world)) open.tab = "messages";
  $("tab-home").setAttribute("aria-selected", open.tab === "home");
  $("tab-messages").setAttribute("aria-selected", open.tab === "messages");
  $("composer").hidden = open.tab === "home" || channel.archived;
  if (open.tab === "home") showHome();
  else showMessages();
  showThread();
  line.placeholder(`Message ${$("room").textContent}, or / for a command`);
}

function showHome() {
  const use = (block, item, value) => post("slack/click", { user: world.me, view: world.home.id, what: item.action_id, value });
  const nodes = world.home ? blocks(world.home.blocks, world, use) : [h("p", { class: "empty" }, "This app has nothing on its home tab.")];
  $("messages").replaceChildren(h("div", { class: "home" }, ...nodes));
}

function showMessages() {
  const log = $("messages");
  const atEnd = log.dataset.channel !== world.channel || log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  const top = world.messages.filter((message) => !message.thread_ts || message.thread_ts === message.ts || message.broadcast || message.ephemeral);
  fill(log, [beginning(), ...messageNodes(top, world, { onthread: openThread })]);
  log.dataset.channel = world.channel;
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// What stands above the first message.
function beginning() {
  const channel = world.channels.find((one) => one.id === world.channel);
  return keep(`beginning-${channel.id}`, [channel.purpose, channel.members, world.me], () => h("section", { class: "beginning" },
    h("h2", {}, (channel.with.length ? "" : "#") + title(channel, world)),
    h("p", {}, channel.purpose || (isApp(channel, world) ? `Between you and ${title(channel, world)}. Type / for its commands.` : "Nobody else reads this.")),
    channel.with.length ? null : h("p", { class: "members" }, ...channel.members.map((id) => avatar(id, world, " small")), h("small", {}, `${channel.members.length} members`))));
}

function openThread(ts) {
  open.thread = ts;
  document.body.classList.toggle("side-open", true);
  showThread();
  $("replies").lastElementChild.scrollIntoView({ block: "nearest" });
  $("reply-line").focus({ preventScroll: true });
}

function showThread() {
  const thread = open.thread && world.messages.filter((message) => message.ts === open.thread || message.thread_ts === open.thread);
  $("thread").hidden = !thread?.length;
  document.body.classList.toggle("in-thread", Boolean(thread?.length));
  if (thread?.length) fill($("replies"), messageNodes(thread, world, { inThread: true }));
}

function showShortcuts() {
  const all = world.app.shortcuts.filter((one) => one.type === "global");
  $("shortcut").hidden = !all.length;
  $("shortcuts").replaceChildren(h("h2", {}, "Shortcuts"), ...all.map((one) => h("button", {
    type: "button", onclick: () => { $("shortcuts").hidePopover(); post("slack/shortcut", { user: world.me, callback_id: one.callback_id }); },
  }, h("strong", {}, one.name), h("small", {}, world.app.name))));
}

function showClock() {
  const now = new Date(world.now);
  $("now").dateTime = world.now;
  $("now").textContent = new Intl.DateTimeFormat("en-GB", {
    timeZone: world.users[world.me].tz, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).format(now);
}

// --- acting

async function be(who) {
  open.user = Object.keys(world.users).find((id) => id === who || world.users[id].name === who);
  memory.set("user", open.user);
  world.me = open.user; // what is done from now on is done by this person, whatever is still being asked
  document.body.classList.remove("nav-open");
  await refresh();
}

async function advance(seconds) {
  if (await post("clock", { advance: seconds })) await look();
}

// Puts the line of a thing to try at hand: who to be, where, and what to send.
async function write(step) {
  if (step.as) await be(step.as);
  const channel = world.channels.find((one) => one.name === (step.channel ?? "devops"));
  if (channel) location.hash = channel.id;
  line.quietly(step.say);
}

function follow() {
  const [channel, ts] = location.hash.slice(1).split("/");
  if (!channel) return;
  if (channel !== open.channel) { open.thread = null; open.tab = "messages"; }
  open.channel = channel;
  if (world?.channels.some((one) => one.id === channel)) world.channel = channel;
  document.body.classList.remove("nav-open");
  refresh().then(() => { if (ts) document.querySelector(`#messages [data-ts="${CSS.escape(ts)}"]`)?.scrollIntoView({ block: "center" }); });
}

const say = (text, thread) => post("slack/say", { user: world.me, channel: world.channel, text, ...(thread ? { thread } : {}) });
const line = composer($("composer"), $("line"), $("completions"), (text) => say(text), () => ({ world, lines: scenario.completions ?? [] }));
composer($("reply"), $("reply-line"), null, (text) => say(text, open.thread));

$("be").addEventListener("change", (event) => be(event.target.value));
$("close-thread").addEventListener("click", () => { open.thread = null; showThread(); });
$("tab-messages").addEventListener("click", () => { open.tab = "messages"; showRoom(); });
$("tab-home").addEventListener("click", () => { open.tab = "home"; post("slack/home", { user: world.me }); showRoom(); });
function drawer(button, name) {
  $(button).addEventListener("click", () => $(button).setAttribute("aria-expanded", String(document.body.classList.toggle(name))));
}
drawer("menu", "nav-open");
drawer("show-production", "side-open");
document.addEventListener("keydown", (event) => { if (event.key === "Escape") document.body.classList.remove("nav-open", "side-open"); });
for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", () => advance(Number(button.dataset.advance)));
}
window.addEventListener("hashchange", follow);

async function start() {
  scenario = (await get("scenario").catch(() => ({}))).scenario ?? {};
  // A person remembered from another scenario may not be there any more.
  const people = scenario.users ?? [];
  if (!people.some((one) => one.id === open.user || one.name === open.user)) open.user = people[0]?.id;
  open.channel = location.hash.slice(1).split("/")[0] || scenario.channels?.[0]?.name || null;
  await look();
  showShortcuts();
  listen();
  setInterval(look, 1000); // pods change without a message
}
start();
