// Ask the server of the labeling page.

/**
 * @typedef {"present" | "absent" | "unknown"} Answer
 * @typedef {Record<string, Answer>} Answers of a photo, by label
 * @typedef {{ photo: string, label: string, found: Answer, wanted: Answer }} Conflict
 */

/**
 * The table on the disk.
 *
 * @typedef {object} Table
 * @property {string} name
 * @property {string} given
 * @property {boolean} is_saved
 * @property {boolean} is_changed_elsewhere
 * @property {string | null} problem
 * @property {Conflict[]} conflicts
 */

/**
 * All labels, or what changed since a revision. Answers are strings, a character per label: 1 present, 0 absent, ? unknown.
 *
 * @typedef {object} Labels
 * @property {number} revision
 * @property {string[]} labels
 * @property {string[]} names of the photos; empty if they did not change
 * @property {Record<string, string>} answers by number of the photo
 * @property {string[]} notes
 * @property {Table} table
 */

// Each tab undoes its own actions, also after it was loaded again.
function findClient() {
  const made = crypto.randomUUID();
  try {
    const kept = sessionStorage.getItem("client") ?? made;
    sessionStorage.setItem("client", kept);
    return kept;
  } catch {
    return made; // this browser keeps nothing
  }
}

const client = findClient();

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Labels>}
 */
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

/**
 * @param {string} path
 * @param {object} values
 */
function send(path, values) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client, ...values }),
  });
}

/**
 * Without a revision: everything.
 *
 * @param {number} [since]
 */
export const getLabels = (since) => ask(since === undefined ? "/app/labels" : `/app/labels?since=${since}`);

// With every change goes the revision that the page has seen, so that the answer has what others changed, too.
/**
 * @param {number} since
 * @param {Record<string, Answers>} answers by number of the photo
 * @param {string} queue
 */
export const setAnswers = (since, answers, queue) => send("/app/answers", { since, answers, queue });
/**
 * @param {number} since
 * @param {"add" | "rename" | "merge" | "remove"} change
 * @param {string} label
 */
export const changeLabels = (since, change, label, to = "") => send("/app/labels", { since, change, label, to });
export const undo = (/** @type {number} */ since) => send("/app/undo", { since });
export const reload = (/** @type {number} */ since) => send("/app/reload", { since });
/**
 * The number of a photo may become that of another one; so its name is in the address.
 *
 * @param {number} row
 * @param {string} name
 * @param {number} size
 */
export const pictureOf = (row, name, size) => `/app/photos/${row}?size=${size}#${encodeURIComponent(name)}`;
