// Production at the side: what the monitoring says, and each environment with its health, its figures, its workloads with their versions, and their pods as dots.
import { alertNodes, refreshAlerts, troubles } from "./alerts.js";
import { get } from "./api.js";
import { $, fill, h, keeper, svg } from "./dom.js";
import { avatar } from "./people.js";

const keep = keeper();
const BACK = 30 * 60; // seconds that a figure looks back

export async function refreshProduction(world, scenario) {
  if (!world) return;
  const [state, health, figures] = await Promise.all([
    get("kubernetes/state").catch(() => ({ workloads: [] })), get("platform/health").catch(() => ({})),
    Promise.all((scenario.figures ?? []).map((figure) => measured(figure, world))), refreshAlerts(),
  ]);
  const places = Object.entries(scenario.health ?? {}).map(([name, one]) => ({ name, ...one }));
  const spaces = [...new Set(state.workloads.map((one) => one.namespace))];
  fill($("production"), [
    ...alertNodes(world, scenario),
    keep("title", null, () => h("h2", {}, "What runs")),
    ...spaces.map((space) => {
      const place = places.find((one) => one.namespace === space)?.name;
      const own = state.workloads.filter((one) => one.namespace === space);
      const facts = { place, own, answers: Object.values(health[place] ?? {}), firing: troubles(place, space), figures: place === "prod" ? figures : [] };
      return keep(`space-${space}`, facts, () => environment(place ?? space, space, facts));
    }),
    keep("people", [world.groups, world.users], () => people(world)),
    keep("legend", null, legend),
  ]);
}

function environment(name, space, { own, answers, firing, figures }) {
  const apps = own.filter((one) => one.kind === "Deployment");
  const others = own.filter((one) => one.kind !== "Deployment");
  return h("section", { class: "environment" },
    h("header", {}, h("h3", {}, name), name === space ? null : h("small", {}, space), healthy(answers, firing)),
    ...figures.map(chart), ...apps.map(card), others.length ? h("div", { class: "service stores" }, ...others.map(row)) : null);
}

// The worst that is known: what its health URLs answer, then what the monitoring says of it.
function healthy(answers, firing) {
  const worst = Math.max(0, ...answers.map((one) => one.status));
  if (worst >= 400) return h("span", { class: "chip bad" }, `health URLs: ${worst}`);
  if (firing) return h("span", { class: "chip bad" }, firing === 1 ? "1 alert fires" : `${firing} alerts fire`);
  return answers.length ? h("span", { class: "chip good" }, "healthy") : null;
}

// The tag of an image, without its digest; the beginning of the digest when there is no tag.
function version(image) {
  const [name, digest] = image.split("@");
  return name.match(/:([^/:]+)$/)?.[1] ?? digest?.slice(0, 14) ?? "latest";
}

function card(workload) {
  const wanted = version(workload.images[0]);
  return h("article", { class: "service", "data-service": workload.name, "data-version": wanted },
    h("header", {}, h("strong", {}, workload.name), h("code", { title: workload.images.join("\n") }, wanted)),
    h("p", { class: "dots" }, ...workload.pods.map((pod) => dot(pod, wanted))),
    h("small", {}, words(workload, wanted)));
}

function row(workload) {
  return h("div", {}, h("strong", {}, workload.name), h("span", { class: "dots" }, ...workload.pods.map((pod) => dot(pod, version(workload.images[0])))),
    h("small", {}, version(workload.images[0])));
}

function words(workload, wanted) {
  const old = workload.pods.filter((pod) => version(pod.image) !== wanted && pod.state !== "Terminating");
  const troubles = [...new Set(workload.pods.filter((pod) => !pod.ready && pod.state !== "Running").map((pod) => pod.state))];
  return [`${workload.ready} of ${workload.replicas} ready`, old.length ? `${old.length} still ${[...new Set(old.map((pod) => version(pod.image)))].join(", ")}` : "", ...troubles]
    .filter(Boolean).join(" · ");
}

function dot(pod, wanted) {
  const broken = /crash|err|backoff|killed|failed|invalid/i.test(pod.state);
  const state = pod.state === "Terminating" ? "ending" : pod.ready ? "ready" : broken ? "bad" : "starting";
  const old = version(pod.image) !== wanted ? " old" : "";
  const said = `${pod.name}: ${pod.ready ? "ready" : pod.state}, ${version(pod.image)}${pod.restarts ? `, ${pod.restarts} restarts` : ""}`;
  return h("span", { class: `dot ${state}${old}`, title: said, role: "img", "aria-label": said });
}

function legend() {
  const one = (state, text) => h("span", {}, h("i", { class: `dot ${state}` }), text);
  return h("p", { class: "legend", "aria-hidden": "true" }, one("ready", "ready"), one("ready old", "old version"), one("starting", "starting"), one("bad", "failing"), one("ending", "ending"));
}

function people(world) {
  const groups = Object.values(world.groups).filter((group) => group.users.length);
  return h("section", { class: "people" }, ...groups.map((group) => h("div", {},
    h("header", {}, h("h3", {}, `@${group.handle}`), h("small", {}, group.name)),
    h("ul", {}, ...group.users.map((id) => h("li", {}, avatar(id, world, " small"), h("span", {}, world.users[id].name), h("small", {}, world.users[id].title)))))));
}

// What Prometheus says of a figure over the last half hour: rounded, so that nothing is drawn anew that looks the same.
async function measured(figure, world) {
  const end = Math.floor(Date.parse(world.now) / 10000) * 10;
  const query = new URLSearchParams({ query: figure.expression, start: end - BACK, end, step: 10 });
  const answer = await fetch(`/prometheus/api/v1/query_range?${query}`).then((response) => response.json()).catch(() => ({}));
  return { ...figure, values: (answer.data?.result?.[0]?.values ?? []).map(([, value]) => Number(value)) };
}

function chart({ title, unit = "", limit, values }) {
  const now = values.at(-1);
  const top = Math.max(...values, limit ?? 0) * 1.15 || 1;
  const points = values.map((value, index) => `${(index / (values.length - 1)) * 260},${40 - (value / top) * 38}`).join(" ");
  const line = limit === undefined ? [] : [svg("line", { x1: 0, x2: 260, y1: 40 - (limit / top) * 38, y2: 40 - (limit / top) * 38, class: "limit" })];
  return h("figure", { class: `figure${now > limit ? " over" : ""}` },
    h("figcaption", {}, h("span", {}, title), h("strong", {}, now === undefined ? "no data" : `${now < 10 ? now.toFixed(2) : Math.round(now)}${unit}`)),
    values.length > 1 ? svg("svg", { viewBox: "0 0 260 42", preserveAspectRatio: "none", role: "img", "aria-label": `${title} over the last 30 minutes` }, ...line, svg("polyline", { points })) : null,
    h("small", {}, `last 30 minutes${limit === undefined ? "" : ` · a deploy allows ${limit}${unit}`}`));
}
