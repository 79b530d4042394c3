// Slack's mrkdwn as elements.
import { h } from "./dom.js";

const EMOJI = {
  white_check_mark: "✅", x: "❌", warning: "⚠️", hourglass_flowing_sand: "⏳", lock: "🔒", eyes: "👀", rocket: "🚀", fire: "🔥", red_circle: "🔴",
  rotating_light: "🚨", memo: "📝", thumbsup: "👍", "+1": "👍", tada: "🎉", bell: "🔔", double_vertical_bar: "⏸", leftwards_arrow_with_hook: "↩︎",
};
const TOKEN = /(<[^<>\n]+>)|(`[^`\n]+`)|(\*[^*\n]+\*)|(_[^_\n]+_)|(~[^~\n]+~)|(:[a-z0-9_+-]+:)/g;

export const plainText = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
export const emoji = (name) => EMOJI[name] ?? `:${name}:`;

// `world` knows names: {users, names, usergroups, me, now}.
export function mrkdwn(text, world) {
  const parts = text.split(/```\n?([\s\S]*?)```/);
  return parts.flatMap((part, index) => (index % 2 ? [h("pre", {}, plainText(part))] : lines(part, world)));
}

function lines(text, world) {
  const out = [];
  let quote = null;
  text.split("\n").forEach((line, index) => {
    const quoted = line.match(/^(?:&gt;|>) ?(.*)$/);
    if (quoted) {
      if (!quote) out.push((quote = h("blockquote")));
      else quote.append(h("br"));
      quote.append(...inline(quoted[1], world));
    } else {
      if (index && !quote) out.push(h("br"));
      quote = null;
      out.push(...inline(line, world));
    }
  });
  return out;
}

function inline(text, world) {
  const out = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, angle, code, , , , colon] = match;
    const before = text[match.index - 1] ?? " ";
    const after = text[match.index + whole.length] ?? " ";
    if (!angle && !code && !colon && (/\w/.test(before) || /\w/.test(after))) continue;
    if (match.index < from) continue;
    out.push(plainText(text.slice(from, match.index)), token(whole, angle, code, colon, world));
    from = match.index + whole.length;
  }
  out.push(plainText(text.slice(from)));
  return out.filter((part) => part !== "");
}

function token(whole, angle, code, colon, world) {
  if (angle) return reference(angle.slice(1, -1), world);
  if (code) return h("code", {}, plainText(code.slice(1, -1)));
  if (colon) return emoji(colon.slice(1, -1));
  const tag = { "*": "strong", _: "em", "~": "s" }[whole[0]];
  return h(tag, {}, ...inline(whole.slice(1, -1), world));
}

function reference(inside, world) {
  const [target, label] = inside.split(/\|(.*)/s);
  if (target.startsWith("@")) {
    const id = target.slice(1);
    return h("span", { class: id === world.me ? "mention me" : "mention" }, `@${world.users[id]?.name ?? label ?? id}`);
  }
  if (target.startsWith("#")) return channelLink(target.slice(1), label, world);
  if (target.startsWith("!date^")) return date(target, label, world);
  if (target.startsWith("!subteam^")) return h("span", { class: "mention" }, `@${world.usergroups[target.slice(9)] ?? label ?? "group"}`);
  if (target.startsWith("!")) return h("span", { class: "mention me" }, `@${target.slice(1)}`);
  if (!/^(https?|mailto):/.test(target)) return plainText(`<${inside}>`);
  return link(plainText(target), plainText(label ?? target));
}

function channelLink(id, label, world) {
  return h("a", { href: `#${id}`, class: "mention" }, `#${world.names[id] ?? label ?? id}`);
}

// A permalink into this workspace opens here, anything else in a new tab.
export function link(url, label) {
  const own = url.match(/\/archives\/(\w+)\/p(\d+)(\d{6})/);
  if (own && new URL(url).host === location.host) return h("a", { href: `#${own[1]}/${own[2]}.${own[3]}` }, label);
  return h("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, label);
}

function date(target, fallback, world) {
  const [, seconds, format, href] = target.split("^");
  const when = new Date(Number(seconds) * 1000);
  if (Number.isNaN(when.getTime())) return fallback ?? target;
  const shown = format.replace(/\{(\w+)\}/g, (whole, name) => dated(name, when, world) ?? whole);
  const node = h("time", { datetime: when.toISOString(), title: `${when.toISOString().slice(0, 19).replace("T", " ")} UTC` }, shown);
  return href ? link(href, node) : node;
}

export function dated(name, when, world) {
  const show = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone(world), ...options }).format(when);
  switch (name) {
    case "date_num": return new Intl.DateTimeFormat("sv-SE", { timeZone: zone(world) }).format(when);
    case "date": case "date_pretty": return pretty(when, world, show({ day: "numeric", month: "long", year: "numeric" }), name);
    case "date_short": case "date_short_pretty": return pretty(when, world, show({ day: "numeric", month: "short", year: "numeric" }), name);
    case "date_long": case "date_long_pretty": return pretty(when, world, show({ weekday: "long", day: "numeric", month: "long", year: "numeric" }), name);
    case "time": return show({ hour: "2-digit", minute: "2-digit" });
    case "time_secs": return show({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    case "ago": return ago((new Date(world.now) - when) / 1000);
    default: return null;
  }
}

const zone = (world) => world.users[world.me]?.tz || "UTC";

function pretty(when, world, shown, name) {
  if (!name.endsWith("pretty")) return shown;
  const day = (date) => new Intl.DateTimeFormat("sv-SE", { timeZone: zone(world) }).format(date);
  const now = new Date(world.now);
  const names = { [day(now)]: "today", [day(new Date(now - 86400e3))]: "yesterday", [day(new Date(+now + 86400e3))]: "tomorrow" };
  return names[day(when)] ?? shown;
}

function ago(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? units[3];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.round(seconds / size), unit);
}
