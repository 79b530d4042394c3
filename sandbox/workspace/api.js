// The sandbox's control API.
import { toast } from "./dom.js";

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `${response.status} ${response.statusText}`);
  return body;
}

export async function get(path, query = {}) {
  return answer(await fetch(`/_sandbox/${path}?${new URLSearchParams(query)}`, { cache: "no-store" }));
}

// Tells the sandbox to do something; what went wrong is shown, and false returned.
export async function post(path, body) {
  try {
    await answer(await fetch(`/_sandbox/${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  }
}
