// What can go wrong: a menu to let it, and while it lasts a line under the header with a button to end it.
import { get, post } from "./api.js";
import { $, fill, h, keeper } from "./dom.js";

const keep = keeper();
export let troubles = [];

export async function refreshTroubles() {
  troubles = await get("troubles").catch(() => troubles);
  const going = troubles.filter((one) => one.on);
  $("break").hidden = !troubles.length;
  $("break").textContent = going.length ? `Broken: ${going.length}` : "Break something";
  $("break").classList.toggle("on", going.length > 0);
  fill($("troubles"), [keep("title", null, () => h("h2", {}, "Break something")), ...troubles.map((one) => keep(one.name, one, entry))]);
  fill($("alarms"), going.map((one) => keep(`alarm-${one.name}`, one, alarm)));
}

export async function toggle(one) {
  await post(`troubles/${one.name}`, { on: !one.on });
  await refreshTroubles();
}

function entry(one) {
  const button = one.lasting
    ? h("button", { type: "button", role: "switch", "aria-checked": String(one.on), "data-focus": one.name, "data-trouble": one.name, onclick: () => toggle(one) })
    : h("button", { type: "button", "data-focus": one.name, "data-trouble": one.name, onclick: () => { toggle(one); $("troubles").hidePopover(); } });
  button.append(h("strong", {}, one.title), h("small", {}, one.text), h("span", { class: one.lasting ? "switch" : "once", "aria-hidden": "true" }, one.lasting ? "" : "once"));
  return button;
}

function alarm(one) {
  return h("p", {}, h("strong", {}, one.title), h("span", {}, one.text), h("button", { type: "button", "data-focus": `end-${one.name}`, onclick: () => toggle(one) }, "End it"));
}
