// The line at the bottom: Enter sends, Shift+Enter breaks, ↑ brings back what was sent, / offers commands.
import { h } from "./dom.js";

export function composer(form, line, list, send, offers) {
  const sent = [];
  let at = 0;
  let picked = -1;

  const fit = () => { line.style.height = "auto"; line.style.height = `${Math.min(line.scrollHeight + 2, 160)}px`; line.style.overflowY = line.scrollHeight > 160 ? "auto" : ""; };
  const rows = () => (list ? [...list.children] : []);
  const put = (text) => { line.value = text; fit(); line.focus(); line.setSelectionRange(text.length, text.length); suggest(); };

  function suggest() {
    if (!list) return;
    const found = line.value.startsWith("/") && !line.value.includes("\n") ? completions(line.value, offers()) : [];
    picked = -1;
    line.removeAttribute("aria-activedescendant");
    list.hidden = !found.length;
    line.setAttribute("aria-expanded", String(!list.hidden));
    list.replaceChildren(...found.map((one, index) => h("li", { role: "option", id: `completion-${index}`, onmousedown: (event) => { event.preventDefault(); put(`${one.text} `); } },
      h("code", {}, one.text), one.hint ? h("small", {}, one.hint) : null)));
  }

  function pick(step) {
    const all = rows();
    picked = (picked + step + all.length) % all.length;
    all.forEach((row, index) => row.setAttribute("aria-selected", index === picked));
    line.setAttribute("aria-activedescendant", all[picked].id);
    all[picked].scrollIntoView({ block: "nearest" });
  }

  async function submit() {
    const text = line.value.trim();
    if (!text) return;
    line.value = "";
    fit();
    suggest();
    if (!(await send(text))) put(text);
    else { sent.push(text); at = sent.length; }
  }

  line.addEventListener("input", () => { fit(); suggest(); });
  line.addEventListener("blur", () => { if (list) list.hidden = true; });
  line.addEventListener("keydown", (event) => {
    const offering = list && !list.hidden;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (offering && picked >= 0) put(`${rows()[picked].querySelector("code").textContent} `);
      else submit();
    } else if (offering && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      pick(event.key === "ArrowDown" ? 1 : -1);
    } else if (offering && event.key === "Tab" && !event.shiftKey && line.value) {
      event.preventDefault();
      put(`${rows()[Math.max(picked, 0)].querySelector("code").textContent} `);
    } else if (offering && event.key === "Escape") {
      list.hidden = true;
    } else if (event.key === "ArrowUp" && sent.length && (!line.value || line.value === sent[at])) {
      event.preventDefault();
      at = Math.max(0, at - 1);
      put(sent[at]);
    }
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  return { put, quietly: (text) => { put(text); if (list) list.hidden = true; }, placeholder: (text) => { line.placeholder = text; } };
}

// What a line that begins with / could become: a command, its next word, one of its options, or that option's value.
function completions(typed, { world, lines }) {
  const known = lines.length ? lines : world.app.commands.map((command) => ({ line: command.command, hint: [command.usage_hint, command.description].filter(Boolean).join(" · ") }));
  const begun = typed.endsWith(" ") ? `${typed.trim()} ` : typed.trim();
  const command = known.filter((one) => begun.startsWith(`${one.line} `) && one.words).sort((a, b) => b.line.length - a.line.length)[0];
  const found = command ? next(command, begun) : known.filter((one) => one.line.startsWith(begun.trimEnd())).map((one) => ({ text: one.line, hint: one.hint }));
  return found.filter((one) => one.text !== begun.trim()).slice(0, 14);
}

function next({ line, words, options }, typed) {
  const given = typed.slice(line.length).trimStart().split(/ +/);
  const half = given.pop();
  const head = [line, ...given].join(" ");
  const named = options.find((option) => option.name === given.at(-1));
  const place = given.filter((word, index) => !word.startsWith("--") && !options.some((option) => option.name === given[index - 1] && option.values.length)).length;
  const offered = [
    ...(named?.values.length ? named.values : words[place] ?? []).map((value) => (typeof value === "string" ? { text: value } : value)),
    ...(named?.values.length ? [] : options).map((option) => ({ text: option.name, hint: option.hint })),
  ];
  return offered.filter((one) => one.text.startsWith(half)).map((one) => ({ text: `${head} ${one.text}`, hint: one.hint }));
}
