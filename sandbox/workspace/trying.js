// Things to try. What is done is observed by the sandbox; here one sees it, and the next step's buttons put things at hand.
import { $, fill, h, keeper, toast } from "./dom.js";

const keep = keeper();
let chosen = null;
let before = null;

// `act` does what a step's buttons do: be(name), write(line, channel), advance(seconds), trouble(name).
export function showThings(world, troubles, act) {
  const all = world.things_to_try;
  const finished = all.filter((thing) => thing.done);
  $("trying").hidden = !all.length;
  $("tried").textContent = `${finished.length} of ${all.length}`;
  const news = before && finished.find((thing) => !before.has(thing.title));
  if (news) {
    toast(`✓ ${news.title}: done`);
    chosen = null;
  }
  before = new Set(finished.map((thing) => thing.title));
  const open = chosen ?? all.find((thing) => !thing.done)?.title;
  const draw = () => showThings(world, troubles, act);
  fill($("things"), all.map((thing) => keep(thing.title, [thing, thing.title === open, world.me, thing.title === open && troubles], () =>
    item(thing, thing.title === open, world, troubles, { ...act, open: () => { chosen = thing.title === open ? "" : thing.title; draw(); } }))));
}

function item(thing, isOpen, world, troubles, act) {
  const next = thing.steps.findIndex((step) => !step.done);
  return h("li", { class: `${thing.done ? "done" : ""}${isOpen ? " open" : ""}`, "data-thing": thing.title },
    h("button", { type: "button", class: "thing", "aria-expanded": String(isOpen), "data-focus": thing.title, onclick: act.open },
      h("span", { class: "tick", role: "img", "aria-label": thing.done ? "done" : "to do" }, thing.done ? "✓" : ""), thing.title),
    isOpen ? h("small", {}, thing.hint) : null,
    isOpen ? h("ol", { class: "steps" }, ...thing.steps.map((step, index) => stepNode(step, index === next, world, troubles, act))) : null);
}

function stepNode(step, isNext, world, troubles, act) {
  return h("li", { class: step.done ? "done" : isNext ? "next" : "", "aria-current": isNext ? "step" : undefined },
    h("span", {}, ...step.text.split(/\*([^*]+)\*/).map((part, index) => (index % 2 ? h("strong", {}, part) : part))),
    isNext ? h("div", { class: "doing" }, ...buttons(step, world, troubles, act)) : null);
}

function span(seconds) {
  return seconds < 86400 ? `+${seconds / 60} min` : `+${seconds / 86400} days`;
}

function buttons(step, world, troubles, act) {
  const made = (label, run, name = label) => h("button", { type: "button", onclick: run, "data-focus": `step-${name}` }, label);
  const trouble = troubles.find((one) => one.name === step.trouble);
  const others = step.as && !step.say && world.users[world.me].name !== step.as;
  return [
    trouble ? made(trouble.on ? `End: ${trouble.title}` : trouble.title, () => act.trouble(trouble)) : null,
    step.advance ? made(span(step.advance), () => act.advance(step.advance)) : null,
    step.say ? made(step.say.split(/( )/).map((part) => (part === " " ? part : h("span", {}, part))), () => act.write(step), step.say) : null,
    step.say ? h("small", {}, `Puts it into the line below${step.as ? `, as ${step.as}` : ""}; Enter sends it.`) : null,
    others ? made(`Be ${step.as}`, () => act.be(step.as)) : null,
  ].filter(Boolean);
}
