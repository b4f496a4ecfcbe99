// Ask the server.

// Kept here and not in the session's storage: whatever else is ever served at this address could read that.
let token = "";

export class NeedsToken extends Error {}

export function setToken(given) {
  token = given;
}

function headers() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// Answers of 503 say when to come back; a server that is busy shall not lose photos.
async function ask(path, options = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(path, { ...options, headers: headers() });
    if (response.status === 401) throw new NeedsToken();
    const seconds = Number(response.headers.get("Retry-After"));
    if (response.status !== 503 || !seconds || attempt === 20) return response;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

async function detailOf(response) {
  try {
    return (await response.json()).detail ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

// What is served, and how much a request may hold.
export async function getServer() {
  const response = await ask("/health");
  if (!response.ok) throw new Error(await detailOf(response));
  return response.json();
}

export async function getLabels(model) {
  const response = await ask(`/labels?${new URLSearchParams({ model })}`);
  if (!response.ok) throw new Error(await detailOf(response));
  return (await response.json()).labels;
}

// Returns an answer per photo; one that cannot be read has an error in it. Previews are small JPEG files.
export async function predict(model, files, { previews = false } = {}) {
  const body = new FormData();
  for (const file of files) body.append("photos", file, file.name || "pasted");
  const wishes = new URLSearchParams(previews ? { model, previews } : { model });
  const response = await ask(`/predict?${wishes}`, { method: "POST", body });
  const answer = await response.json().catch(() => ({ detail: response.statusText }));
  if (answer.photos) return answer.photos;
  throw new Error(answer.detail);
}

export async function explain(model, file, label) {
  const body = new FormData();
  body.append("photos", file, file.name || "pasted");
  const response = await ask(`/explain?${new URLSearchParams({ model, label, layer: true })}`, { method: "POST", body });
  if (!response.ok) throw new Error(await detailOf(response));
  return response.json();
}
