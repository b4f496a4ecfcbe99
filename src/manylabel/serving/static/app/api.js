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
 * @property {boolean} is_missing
 * @property {string | null} problem
 * @property {Conflict[]} conflicts
 * @property {{ photo: string, label: string, wanted: Answer }[]} pending
 * @property {string[]} removed_labels
 * @property {boolean} is_source_changed
 * @property {boolean} is_partial
 */

/**
 * How good a model is on labeled photos that it did not learn from; all but the first from 0 to 1.
 *
 * @typedef {object} Estimate
 * @property {number} n_photos
 * @property {number} mean_average_precision
 * @property {number} low
 * @property {number} high
 * @property {number} nearest_neighbors
 * @property {number} label_prior
 */

/**
 * What was learned from the answers, in short.
 *
 * @typedef {object} Learning
 * @property {number} version another one whenever queues may be others
 * @property {number} n_scores another one whenever scores are others
 * @property {number} n_done photos that were read
 * @property {number} n_photos
 * @property {boolean} is_learning
 * @property {string | null} problem
 * @property {Estimate | null} estimate
 * @property {Estimate | null} first
 * @property {number | null} seconds
 */

/**
 * The probabilities of all photos.
 *
 * @typedef {object} Scores
 * @property {number} version
 * @property {string[]} labels
 * @property {string} values uint16 [n_photos, n_labels] in Base64; 65534 is 1, 65535 is not known
 */

/**
 * What to look at next. Photos stand by their numbers.
 *
 * @typedef {{ row: number, label: string, given: Answer, probability: number,
 *   similar: { row: number, answer: Answer }[] }} Issue
 * @typedef {{ row: number, other: number, labels: string[] }} Duplicate
 * @typedef {{ row: number, constraint: string, labels: string[] }} Violation
 * @typedef {{ row: number, label: string, given: Answer, answers: Record<string, Answer> }} Disagreement
 *
 * @typedef {object} Queues
 * @property {number[]} suggested
 * @property {Issue[]} issues
 * @property {Duplicate[]} duplicates
 * @property {Violation[]} constraints
 * @property {Disagreement[]} disagreements
 * @property {string[]} problems
 */

/**
 * How far a training is.
 *
 * @typedef {object} Training
 * @property {string} name
 * @property {"none" | "running" | "done" | "failed" | "cancelled"} state
 * @property {{ subject: string, stage: string, done: number, total: number } | null} stage
 * @property {number} seconds since it began
 * @property {number} stage_seconds since its stage began
 * @property {boolean} is_ending it is over, and its process has not ended yet
 * @property {string | null} problem
 */

/**
 * A trained model.
 *
 * @typedef {object} TrainedModel
 * @property {string} name of its run
 * @property {string} backbone
 * @property {boolean} is_best
 * @property {string} started
 * @property {number} n_train
 * @property {number} n_test
 * @property {"test" | "out_of_fold"} part
 * @property {string} tested_on the same for models that were tested on the same photos
 * @property {Record<string, number | null>} metrics
 * @property {number | null} low
 * @property {number | null} high
 * @property {string[]} labels
 */

/**
 * The model in use.
 *
 * @typedef {object} Use
 * @property {number} version another one for every start of its process
 * @property {string} name of its run; empty if no model is in use
 * @property {string} backbone
 * @property {"none" | "starting" | "ready" | "failed"} state
 * @property {string | null} problem
 */

/** @typedef {"onnx" | "csv"} Kind of a file */

/**
 * A file made with a model.
 *
 * @typedef {object} Export
 * @property {string} name of the run
 * @property {string} backbone
 * @property {Kind} kind
 * @property {"none" | "running" | "done" | "failed"} state
 * @property {string} file
 * @property {number} seconds
 * @property {string | null} problem
 */

/**
 * The model in use, and the files of all models.
 *
 * @typedef {object} Usage
 * @property {Use} use
 * @property {string | null} command that serves the model to other programs
 * @property {Export[]} exports
 */

/**
 * All labels, or what changed since a revision. Answers are strings, a character per label: 1 present, 0 absent, ? unknown.
 *
 * @typedef {object} Labels
 * @property {number} revision
 * @property {string[]} labels
 * @property {string[]} names of the photos; empty if they did not change
 * @property {(string | null)[]} parts of the split, by photo; empty if no photo has one, and where names are empty
 * @property {Record<string, string>} answers by number of the photo
 * @property {string[]} notes
 * @property {Table} table
 * @property {Learning | null} learning null if nothing is to be learned
 */

/**
 * The effect of an undo.
 *
 * @typedef {object} UndoResult
 * @property {Labels} changed everything since the revision of the page, also by others
 * @property {Record<string, Answers>} answers restored ones, by name of the photo: its number may be another by now
 * @property {number} n_pending restored answers for photos that are not in the folder
 * @property {[string, string][]} renamed labels whose new name was undone: the name before the undo, the restored name
 * @property {string[]} added labels that are back
 * @property {string[]} removed labels that are gone again
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
 * @returns {Promise<any>}
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
 * @returns {Promise<any>}
 */
const post = (path, values) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) });

/**
 * @param {string} path
 * @param {object} values
 * @returns {Promise<any>}
 */
const send = (path, values) => post(path, { client, ...values });

/**
 * Without a revision: everything.
 *
 * @param {number} [since]
 * @returns {Promise<Labels>}
 */
export const getLabels = (since) => ask(since === undefined ? "/app/labels" : `/app/labels?since=${since}`);

/** @returns {Promise<Scores>} */
export const getScores = () => ask("/app/scores");
/** @returns {Promise<Queues>} */
export const getQueues = () => ask("/app/queues");
/**
 * The numbers of all photos, the most similar to one of them first.
 *
 * @param {number} row
 * @returns {Promise<number[]>}
 */
export const getSimilar = (row) => ask(`/app/similar/${row}`);

/** @returns {Promise<TrainedModel[]>} */
export const getModels = () => ask("/app/models");
/** @returns {Promise<Training>} */
export const getTraining = () => ask("/app/training");
/**
 * @param {string} name
 * @param {string[]} backbones
 * @returns {Promise<Training>}
 */
export const startTraining = (name, backbones) => post("/app/training", { name, backbones });
/** @returns {Promise<Training>} */
export const cancelTraining = () => post("/app/training/cancel", {});
export const reportOf = (/** @type {string} */ name) => `/app/models/${encodeURIComponent(name)}/report`;

/** @returns {Promise<Usage>} */
export const getUsage = () => ask("/app/use");
/**
 * @param {string} name
 * @param {string} backbone
 * @returns {Promise<Usage>}
 */
export const startUse = (name, backbone) => post("/app/use", { name, backbone });
/**
 * @param {string} name
 * @param {string} backbone
 * @param {Kind} kind
 * @returns {Promise<Usage>}
 */
export const startExport = (name, backbone, kind) => post("/app/exports", { name, backbone, kind });
/** @returns {Promise<Usage>} */
export const cancelExport = () => post("/app/exports/cancel", {});
export const exportOf = (/** @type {Export} */ { name, backbone, kind }) =>
  `/app/exports/${kind}?${new URLSearchParams({ name, backbone })}`;
/**
 * Without a folder: the sample set.
 *
 * @param {string | null} folder
 * @returns {Promise<object>}
 */
export const choosePhotos = (folder) => post("/app/start", { folder });

// With every change goes the revision that the page has seen, so that the answer has what others changed, too.
/**
 * @param {number} since
 * @param {Record<string, Answers>} answers by number of the photo
 * @param {string} queue
 * @param {{ confirms?: boolean, only_unknown?: boolean }} [how] confirms: answers that photos have already count as well,
 *   somebody looked at them; only_unknown: known answers stay, another browser may have given them meanwhile
 * @returns {Promise<Labels>}
 */
export const setAnswers = (since, answers, queue, how = {}) => send("/app/answers", { since, answers, queue, ...how });
/**
 * @param {number} since
 * @param {"add" | "rename" | "merge" | "remove"} change
 * @param {string} label
 * @returns {Promise<Labels>}
 */
export const changeLabels = (since, change, label, to = "") => send("/app/labels", { since, change, label, to });
/** @returns {Promise<UndoResult>} */
export const undo = (/** @type {number} */ since) => send("/app/undo", { since });
/** @returns {Promise<Labels>} */
export const reload = (/** @type {number} */ since) => send("/app/reload", { since });
export const SMALL_PX = 320;
export const LARGE_PX = 1600;
/**
 * The number of a photo may become that of another one; so its name is in the address.
 *
 * @param {number} row
 * @param {string} name
 * @param {number} size
 */
export const pictureOf = (row, name, size) => `/app/photos/${row}?size=${size}#${encodeURIComponent(name)}`;
