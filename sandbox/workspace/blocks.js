// Block Kit as elements. `use(block, element, value)` is called when somebody presses or chooses something.
import { h, $ } from "./dom.js";
import { element } from "./elements.js";
import { emoji, link, mrkdwn, plainText } from "./mrkdwn.js";

export function text(item, world) {
  if (!item) return [];
  if (item.type === "mrkdwn") return mrkdwn(item.text, world);
  return plainText(item.text).split(/(:[a-z0-9_+-]+:)/).map((part) => (/^:[a-z0-9_+-]+:$/.test(part) ? emoji(part.slice(1, -1)) : part));
}

const KINDS = {
  header: (block, world) => h("h3", { class: "header" }, ...text(block.text, world)),
  divider: () => h("hr"),
  image: (block, world) => h("figure", {}, block.title ? h("figcaption", {}, ...text(block.title, world)) : null, h("img", { src: block.image_url, alt: block.alt_text })),
  section: (block, world, use) => h("div", { class: "section" },
    h("div", { class: "words" },
      block.text ? h("div", {}, ...text(block.text, world)) : null,
      block.fields ? h("div", { class: "fields" }, ...block.fields.map((field) => h("div", {}, ...text(field, world)))) : null),
    block.accessory ? element(block.accessory, world, asking(world, (item, value) => use(block, item, value))) : null),
  context: (block, world) => h("div", { class: "context" }, ...block.elements.map((item) =>
    (item.type === "image" ? h("img", { src: item.image_url, alt: item.alt_text }) : h("span", {}, ...text(item, world))))),
  actions: (block, world, use) => h("div", { class: "actions" },
    ...block.elements.map((item) => element(item, world, asking(world, (pressed, value) => use(block, pressed, value))))),
  markdown: (block, world) => h("div", { class: "section" }, ...mrkdwn(block.text, world)),
  rich_text: (block, world) => h("div", { class: "rich" }, ...block.elements.map((item) => rich(item, world))),
};

export function blocks(list, world, use) {
  return list.map((block) => KINDS[block.type]?.(block, world, use) ?? h("p", { class: "unknown" }, `(${block.type})`));
}

// An input block of a modal, with what is there already and what the app said about it.
export function input(block, world, state, error) {
  const held = state?.[block.block_id]?.[block.element.action_id] ?? {};
  const initial = Object.entries(held).find(([name]) => name !== "type")?.[1];
  const control = element(block.element, world, () => {}, initial ?? undefined);
  control.required = !block.optional; // the browser says so at the field; a group of boxes has no such property
  return h("div", { class: error ? "input wrong" : "input", "data-block": block.block_id },
    h("label", {}, h("span", {}, ...text(block.label, world), block.optional ? h("small", {}, " (optional)") : null), control),
    block.hint ? h("small", {}, ...text(block.hint, world)) : null,
    error ? h("small", { class: "error", role: "alert" }, error) : null);
}

// Asks first when the element has a confirmation dialog.
function asking(world, use) {
  return async (item, value) => {
    if (!item.confirm || (await confirmed(item.confirm, world))) use(item, value);
  };
}

function confirmed(dialog, world) {
  const node = $("confirm");
  return new Promise((resolve) => {
    const answer = (value) => () => { node.close(); resolve(value); };
    node.oncancel = () => resolve(false);
    node.replaceChildren(
      h("h2", {}, ...(dialog.title ? text(dialog.title, world) : ["Are you sure?"])),
      h("div", {}, ...text(dialog.text, world)),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: answer(false) }, dialog.deny?.text ?? "Cancel"),
        h("button", { type: "button", class: dialog.style ?? "primary", autofocus: true, onclick: answer(true) }, dialog.confirm?.text ?? "Yes")));
    node.showModal();
  });
}

function rich(item, world) {
  const inner = () => item.elements.map((part) => richPart(part, world));
  if (item.type === "rich_text_preformatted") return h("pre", {}, ...inner());
  if (item.type === "rich_text_quote") return h("blockquote", {}, ...inner());
  if (item.type === "rich_text_list") {
    return h(item.style === "ordered" ? "ol" : "ul", {}, ...item.elements.map((row) => h("li", {}, ...row.elements.map((part) => richPart(part, world)))));
  }
  return h("p", {}, ...inner());
}

function richPart(part, world) {
  switch (part.type) {
    case "user": return h("span", { class: "mention" }, `@${world.users[part.user_id]?.name ?? part.user_id}`);
    case "channel": return h("span", { class: "mention" }, `#${world.names[part.channel_id] ?? part.channel_id}`);
    case "link": return link(part.url, part.text ?? part.url);
    case "emoji": return emoji(part.name);
    default: return styled(part.text ?? "", part.style ?? {});
  }
}

function styled(words, style) {
  const tags = [["code", "code"], ["bold", "strong"], ["italic", "em"], ["strike", "s"]];
  return tags.filter(([name]) => style[name]).reduce((inner, [, tag]) => h(tag, {}, inner), words);
}
