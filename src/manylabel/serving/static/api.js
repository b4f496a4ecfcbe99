// Ask the server. The addresses are relative to that of the page: the labeling page shows it at another one.

/**
 * @typedef {{ name: string, threshold: number }} Label
 * @typedef {{ models: Record<string, unknown>, most_photos: number, most_bytes: number }} Server
 * @typedef {{ map: number[][], box: [number, number, number, number], layer: string }} Explanation
 */

/**
 * The answer for a photo; one that cannot be read has an error in it.
 *
 * @typedef {object} Prediction
 * @property {string} image
 * @property {string[]} labels
 * @property {Record<string, number>} scores
 * @property {string} [error]
 * @property {string} [preview] a small picture, as an address
 */

// Kept here and not in the session's storage: whatever else is ever served at this address could read that.
let token = "";

export class NeedsToken extends Error {}

/** @param {string} given */
export function setToken(given) {
  token = given;
}

/** @returns {Record<string, string>} */
function headers() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * Answers of 503 say when to come back; a server that is busy shall not lose photos.
 *
 * @param {string} path
 * @param {RequestInit} options
 */
async function ask(path, options = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(path, { ...options, headers: headers() });
    if (response.status === 401) throw new NeedsToken();
    const seconds = Number(response.headers.get("Retry-After"));
    if (response.status !== 503 || !seconds || attempt === 20) return response;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

/**
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function detailOf(response) {
  try {
    return (await response.json()).detail ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

/**
 * What is served, and how much a request may hold.
 *
 * @returns {Promise<Server>}
 */
export async function getServer() {
  const response = await ask("health");
  if (!response.ok) throw new Error(await detailOf(response));
  return response.json();
}

/**
 * @param {string} model
 * @returns {Promise<Label[]>}
 */
export async function getLabels(model) {
  const response = await ask(`labels?${new URLSearchParams({ model })}`);
  if (!response.ok) throw new Error(await detailOf(response));
  return (await response.json()).labels;
}

/**
 * Returns an answer per photo. Previews are small JPEG files.
 *
 * @param {string} model
 * @param {File[]} files
 * @returns {Promise<Prediction[]>}
 */
export async function predict(model, files, { previews = false } = {}) {
  const body = new FormData();
  for (const file of files) body.append("photos", file, file.name || "pasted");
  const wishes = new URLSearchParams(previews ? { model, previews: "true" } : { model });
  const response = await ask(`predict?${wishes}`, { method: "POST", body });
  const answer = await response.json().catch(() => ({ detail: response.statusText }));
  if (answer.photos) return answer.photos;
  throw new Error(answer.detail);
}

/**
 * @param {string} model
 * @param {File} file
 * @param {string} label
 * @returns {Promise<Explanation>}
 */
export async function explain(model, file, label) {
  const body = new FormData();
  body.append("photos", file, file.name || "pasted");
  const response = await ask(`explain?${new URLSearchParams({ model, label, layer: "true" })}`, { method: "POST", body });
  if (!response.ok) throw new Error(await detailOf(response));
  return response.json();
}
