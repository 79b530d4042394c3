// Interactive elements of Block Kit as native controls. `use(element, value)` is called when one is pressed or chosen.
import { h } from "./dom.js";

const label = (text) => text?.text ?? "";

export function element(item, world, use, initial) {
  const make = { button, overflow, datepicker: dated, timepicker: dated, checkboxes: choices, radio_buttons: choices, image }[item.type];
  if (make) return make(item, use, initial);
  // A few things to choose several of are boxes to tick: nobody has to know that Ctrl adds to a list.
  if (item.type === "multi_static_select" && item.options?.length <= 8) return choices({ ...item, several: true }, use, initial);
  if (item.type.endsWith("select")) return select(item, world, use, initial);
  return typed(item, initial);
}

function button(item, use) {
  const open = item.url && /^https?:/.test(item.url) ? () => window.open(item.url, "_blank", "noreferrer") : () => {};
  return h("button", {
    type: "button", class: item.style ?? "", "data-action": item.action_id, "data-focus": `${item.action_id} ${label(item.text)}`, "aria-label": item.accessibility_label,
    onclick: () => { open(); use(item); },
  }, label(item.text));
}

function image(item) {
  return h("img", { src: item.image_url, alt: item.alt_text, class: "accessory" });
}

function overflow(item, use) {
  const menu = h("details", { class: "overflow" }, h("summary", { "aria-label": "More" }, "⋯"));
  menu.append(h("div", {}, ...item.options.map((option) =>
    h("button", { type: "button", onclick: () => { menu.open = false; use(item, option.value); } }, label(option.text)))));
  return menu;
}

function dated(item, use, initial) {
  const type = item.type === "datepicker" ? "date" : "time";
  return h("input", { type, name: item.action_id, value: initial ?? item.initial_date ?? item.initial_time ?? "", onchange: (event) => use(item, event.target.value) });
}

function choices(item, use, initial) {
  const several = item.several || item.type === "checkboxes";
  const first = (initial ?? (several ? item.initial_options : item.initial_option && [item.initial_option]) ?? []).map((option) => option.value);
  const group = h("div", { class: "choices", "data-several": several });
  const picked = () => [...group.querySelectorAll("input:checked")].map((input) => input.value);
  const name = `${item.action_id}-${Math.random()}`;
  group.append(...item.options.map((option) => h("label", {},
    h("input", {
      type: several ? "checkbox" : "radio", name, value: option.value, checked: first.includes(option.value),
      onchange: () => use(item, several ? picked() : picked()[0]),
    }), " ", label(option.text), option.description ? h("small", {}, label(option.description)) : null)));
  return group;
}

function choosable(item, world) {
  if (item.type.includes("users")) {
    return Object.entries(world.users).filter(([, user]) => !user.is_bot).map(([id, user]) => [id, `@${user.name}`]);
  }
  if (item.type.includes("channels") || item.type.includes("conversations")) return Object.entries(world.names).map(([id, name]) => [id, `#${name}`]);
  return null;
}

function select(item, world, use, initial) {
  const several = item.type.startsWith("multi_");
  const chosen = new Set([initial ?? item.initial_options ?? item.initial_option ?? item.initial_users ?? item.initial_user
    ?? item.initial_channel ?? item.initial_conversation ?? []].flat().map((one) => one?.value ?? one));
  const option = (value, text) => h("option", { value, selected: chosen.has(value) }, text);
  const listed = choosable(item, world)?.map(([id, name]) => option(id, name)) ?? [
    ...(item.options ?? []).map((one) => option(one.value, label(one.text))),
    ...(item.option_groups ?? []).map((group) => h("optgroup", { label: label(group.label) }, ...group.options.map((one) => option(one.value, label(one.text))))),
  ];
  const empty = several ? [] : [h("option", { value: "", selected: !chosen.size }, label(item.placeholder) || "Select…")];
  const picked = (node) => (several ? [...node.selectedOptions].map((one) => one.value) : node.value);
  return h("select", {
    name: item.action_id, multiple: several, size: several ? Math.min(6, listed.length) : undefined, "aria-label": label(item.placeholder) || item.action_id,
    onchange: (event) => { if (several || event.target.value) use(item, picked(event.target)); },
  }, ...empty, ...listed);
}

function typed(item, initial) {
  const type = { number_input: "number", email_text_input: "email", url_text_input: "url" }[item.type] ?? "text";
  const shared = {
    name: item.action_id, placeholder: label(item.placeholder), maxlength: item.max_length, minlength: item.min_length, autofocus: item.focus_on_load,
    value: initial ?? item.initial_value ?? "",
  };
  return item.multiline ? h("textarea", { rows: 4, ...shared }) : h("input", { type, step: item.is_decimal_allowed ? "any" : undefined, ...shared });
}

// What stands in a control, as the control API takes it; null when empty.
export function valueOf(node) {
  const control = node.matches("input, textarea, select, .choices") ? node : node.querySelector("input, textarea, select, .choices");
  if (control.matches(".choices")) {
    const values = [...control.querySelectorAll("input:checked")].map((input) => input.value);
    return control.dataset.several === undefined ? values[0] ?? null : values;
  }
  if (control.multiple) return [...control.selectedOptions].map((one) => one.value);
  return control.value || null;
}
