// Ask the server of the labeling page.

// Each browser undoes its own actions.
const client = crypto.randomUUID();

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Start manylabel app again; confirmed labels are kept.");
  }
  if (response.ok) return response.json();
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  throw new Error(detail);
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
export const setAnswers = (answers, queue) => send("/app/answers", { answers, queue });
export const changeLabels = (change, label, to = "") => send("/app/labels", { change, label, to });
export const undo = () => send("/app/undo", {});
export const reload = () => send("/app/reload", {});
export const pictureOf = (row, size) => `/app/photos/${row}?size=${size}`;
