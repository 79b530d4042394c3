// A conversation's messages. A node is kept while its message stays the same, so that an open menu is not closed by somebody else's news.
import { post } from "./api.js";
import { blocks } from "./blocks.js";
import { h, keeper } from "./dom.js";
import { dated, emoji, mrkdwn } from "./mrkdwn.js";
import { avatar } from "./people.js";

const keep = keeper();

export function messageNodes(messages, world, { onthread, inThread = false } = {}) {
  const nodes = [];
  let day = "";
  messages.forEach((message, index) => {
    const when = new Date(Number(message.ts) * 1000);
    const today = dated("date_long_pretty", when, world);
    if (today !== day && !inThread) nodes.push(keep(`day-${world.channel}-${message.ts}`, today, () => h("h4", { class: "day" }, h("span", {}, today))));
    const before = messages[index - 1];
    const continued = before && !message.blocks && today === day && before.user === message.user && Number(message.ts) - Number(before.ts) < 300 && !message.ephemeral && !before.ephemeral;
    day = today;
    const written = JSON.stringify([message, continued, inThread, world.me]);
    const facts = written + (written.includes("{ago}") ? world.now.slice(0, 16) : "");
    nodes.push(keep(`${inThread}-${world.channel}-${message.ts}`, facts, () => messageNode(message, world, { onthread, inThread, continued, when })));
  });
  return nodes;
}

function messageNode(message, world, { onthread, inThread, continued, when }) {
  const writer = world.users[message.user] ?? { name: message.user };
  const use = (block, item, value) => post("slack/click", {
    user: world.me, channel: world.channel, ts: message.ts, what: item.action_id, ...(item.type === "button" ? {} : { value }),
  });
  return h("article", { class: `message${continued ? " continued" : ""}${message.ephemeral ? " ephemeral" : ""}`, "data-ts": message.ts },
    continued ? h("span") : avatar(message.user, world),
    h("div", { class: "body" },
      continued ? null : h("p", { class: "who" }, h("strong", {}, writer.name), writer.is_bot ? h("span", { class: "badge" }, "app") : null, " ",
        h("time", { datetime: when.toISOString(), title: when.toISOString() }, dated("time", when, world)),
        message.edited ? h("small", { class: "edited" }, "edited") : null,
        message.ephemeral ? h("span", { class: "only-you" }, "only you see this") : null),
      ...content(message, world, use),
      reactions(message, world),
      inThread ? null : below(message, onthread, world)));
}

function content(message, world, use) {
  const shown = message.blocks?.length ? blocks(message.blocks, world, use) : message.text ? [h("div", { class: "text" }, ...mrkdwn(message.text, world))] : [];
  const files = (message.files ?? []).map((file) => {
    const path = new URL(file.url_private).pathname;
    if (file.mimetype?.startsWith("image/")) {
      return h("figure", {}, h("a", { href: path, target: "_blank", title: "Open it in its full size" },
        h("img", { src: path, alt: file.alt_txt || file.title, width: file.original_w, height: file.original_h })));
    }
    return h("a", { class: "file", href: path, download: file.name },
      h("span", { "aria-hidden": "true" }, "📄"), h("span", {}, h("strong", {}, file.title), h("small", {}, `${file.size.toLocaleString("en")} bytes`)));
  });
  return [...shown, ...(message.attachments ?? []).map((one) => h("blockquote", {}, ...mrkdwn(one.text ?? one.fallback ?? "", world))), ...files];
}

function reactions(message, world) {
  if (!message.reactions) return null;
  return h("p", { class: "reactions" }, ...message.reactions.map((one) =>
    h("span", { title: one.users.map((id) => world.users[id]?.name).join(", ") }, `${emoji(one.name)} ${one.count}`)));
}

function below(message, onthread, world) {
  if (message.ephemeral) return null;
  const parent = message.thread_ts ?? message.ts;
  const count = message.reply_count ?? 0;
  if (message.broadcast) return h("button", { type: "button", class: "replies", "data-focus": `thread-${message.ts}`, onclick: () => onthread(parent) }, "replied to a thread");
  if (!count) return h("button", { type: "button", class: "replies start", "data-focus": `thread-${message.ts}`, onclick: () => onthread(parent) }, "Reply in thread");
  const last = dated("ago", new Date(Number(message.latest_reply) * 1000), world);
  return h("button", { type: "button", class: "replies", "data-focus": `thread-${message.ts}`, onclick: () => onthread(parent), title: `last reply ${last}` }, `${count} ${count === 1 ? "reply" : "replies"}`);
}
