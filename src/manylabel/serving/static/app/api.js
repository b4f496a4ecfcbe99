// Ask the server of the labeling page.

// Each browser undoes its own actions.
const client = crypto.randomUUID();

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Run manylabel app again and open the new address. Confirmed answers are saved.");
  }
  if (response.ok) return response.json();
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  throw Object.assign(new Error(detail), { status: response.status });
}

function send(path, values) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client, ...values }),
  });
}

// Without a revision: everything. Answers are strings, a character per label: 1 present, 0 absent, ? unknown.
export const getLabels = (since) => ask(since === undefined ? "/app/labels" : `/app/labels?since=${since}`);

// With every change goes the revision that the page has seen, so that the answer has what others changed, too.
export const setAnswers = (since, answers, queue) => send("/app/answers", { since, answers, queue });
export const changeLabels = (since, change, label, to = "") => send("/app/labels", { since, change, label, to });
export const undo = (since) => send("/app/undo", { since });
export const reload = (since) => send("/app/reload", { since });
// The number of a photo may become that of another one; so its name is in the address.
export const pictureOf = (row, name, size) => `/app/photos/${row}?size=${size}#${encodeURIComponent(name)}`;
