// People: their initials on a colour of their own, and how a conversation is called.
import { h } from "./dom.js";

export function avatar(id, world, extra = "") {
  const user = world.users[id] ?? { name: id };
  return h("span", { class: `avatar hue-${Object.keys(world.users).indexOf(id) % 7}${user.is_bot ? " bot" : ""}${extra}`, "aria-hidden": "true" }, user.name[0].toUpperCase());
}

export const isApp = (channel, world) => channel.with.length === 1 && channel.with[0] === world.app.user;
export const title = (channel, world) => (channel.with.length ? channel.with.map((id) => world.users[id].name).join(", ") : channel.name);
