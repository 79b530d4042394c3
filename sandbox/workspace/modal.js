// The modal on top of this person's screen.
import { post } from "./api.js";
import { blocks, input, text } from "./blocks.js";
import { $, h } from "./dom.js";
import { valueOf } from "./elements.js";

let shown = "";

export function showModal(world) {
  const node = $("modal");
  const view = world.modals.at(-1);
  const facts = view ? JSON.stringify([view.id, view.hash, view.errors, view.notice, world.me]) : "";
  if (facts === shown) return;
  shown = facts;
  if (!view) { node.close(); return; }
  node.replaceChildren(form(view, world));
  node.oncancel = (event) => { event.preventDefault(); cancel(view, world); };
  if (!node.open) node.showModal();
  [...node.querySelectorAll(".input input, .input textarea, .input select")].find((one) => !one.value)?.focus();
}

const cancel = (view, world) => post("slack/close", { user: world.me, view: view.id });

function form(view, world) {
  const use = (block, item, value) => post("slack/click", { user: world.me, view: view.id, what: item.action_id, ...(item.type === "button" ? {} : { value }) });
  const body = view.blocks.map((block) => (block.type === "input" ? input(block, world, view.state.values, view.errors[block.block_id]) : blocks([block], world, use)[0]));
  const made = h("form", {
    method: "dialog", onsubmit: (event) => { event.preventDefault(); submit(event.target, view, world); },
  },
    h("header", {}, h("h2", {}, ...text(view.title, world)), h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => cancel(view, world) }, "✕")),
    h("div", { class: "fieldset" }, ...body),
    view.notice ? h("p", { class: "error", role: "alert" }, view.notice) : null,
    h("footer", { class: "actions" },
      h("button", { type: "button", onclick: () => cancel(view, world) }, view.close?.text ?? "Cancel"),
      view.submit ? h("button", { type: "submit", class: "primary" }, view.submit.text) : null));
  return made;
}

async function submit(node, view, world) {
  const button = node.querySelector("[type=submit]");
  button.disabled = true;
  const values = Object.fromEntries([...node.querySelectorAll("[data-block]")].map((one) => [one.dataset.block, valueOf(one)]));
  await post("slack/submit", { user: world.me, view: view.id, values });
  button.disabled = false;
}
