// Elements are built here and never from HTML text, so that nothing a message says can become markup.

function set(node, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
}

export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  set(node, properties);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(tag, properties = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(node, properties);
  node.append(...children);
  return node;
}

export const $ = (id) => document.getElementById(id);

// Gives back a function (key, facts, make) that makes a node anew only when its facts have changed.
export function keeper() {
  const kept = new Map();
  return (key, facts, make) => {
    const written = JSON.stringify(facts);
    if (kept.get(key)?.written !== written) kept.set(key, { written, node: make(facts) });
    return kept.get(key).node;
  };
}

// Puts `nodes` into `parent`, leaving those alone that are there already: open menus survive, and the focus goes to what has taken the focused
// thing's place: the same thing, in the same message where it was in one.
export function fill(parent, nodes) {
  const active = parent.contains(document.activeElement) ? document.activeElement : null;
  const held = active?.dataset.focus;
  const message = active?.closest("[data-ts]")?.dataset.ts;
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastChild.remove();
  if (!held || parent.contains(document.activeElement)) return;
  const within = message ? parent.querySelector(`[data-ts="${CSS.escape(message)}"]`) : parent;
  within?.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus();
}

let hiding;
export function toast(text) {
  const node = $("toast");
  node.textContent = text;
  if (node.matches(":popover-open")) node.hidePopover();
  node.showPopover(); // above a dialog that is open already
  clearTimeout(hiding);
  hiding = setTimeout(() => node.hidePopover(), 5000);
}
