// What all views share: the project, one change at a time, words for people.

import { Project } from "./project.js";
import { listComplaints } from "./table_words.js";

/**
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./api.js").Labels} Labels
 */

/**
 * A view of the page.
 *
 * @typedef {object} View
 * @property {() => void} begin the view was opened
 * @property {() => void} show
 * @property {(key: string, event: KeyboardEvent) => boolean} keydown true if the key does something
 * @property {() => string | undefined} current the name of its photo
 * @property {() => void} showScores scores or queues are others
 * @property {(name: string | undefined) => void} keep photos were listed anew: show the same one, if it is still there
 */

/**
 * What the page looks up by id.
 *
 * @typedef {object} Elements
 * @property {HTMLFormElement} add
 * @property {HTMLElement} alert
 * @property {HTMLButtonElement} close-keys
 * @property {HTMLButtonElement} close-large
 * @property {HTMLButtonElement} cancel-export
 * @property {HTMLButtonElement} cancel-training
 * @property {HTMLTemplateElement} choice
 * @property {HTMLButtonElement} confirm
 * @property {HTMLElement} confirm-hint
 * @property {HTMLButtonElement} copy-command
 * @property {HTMLElement} done
 * @property {HTMLTemplateElement} export
 * @property {HTMLButtonElement} export-csv
 * @property {HTMLButtonElement} export-onnx
 * @property {HTMLElement} exports
 * @property {HTMLInputElement} filter
 * @property {HTMLElement} grid
 * @property {HTMLElement} grid-count
 * @property {HTMLSelectElement} grid-label
 * @property {HTMLSelectElement} grid-order
 * @property {HTMLSelectElement} grid-part
 * @property {HTMLElement} grid-part-choice
 * @property {HTMLInputElement} grid-size
 * @property {HTMLElement} grid-space
 * @property {HTMLSelectElement} grid-state
 * @property {HTMLInputElement} grid-text
 * @property {HTMLElement} grid-view
 * @property {HTMLDialogElement} keys
 * @property {HTMLTemplateElement} label-row
 * @property {HTMLElement} label-view
 * @property {HTMLElement} labels
 * @property {HTMLDialogElement} large
 * @property {HTMLElement} learning
 * @property {HTMLElement} metrics-hint
 * @property {HTMLElement} tests-hint
 * @property {HTMLTemplateElement} model-row
 * @property {HTMLTableElement} models
 * @property {HTMLElement} name
 * @property {HTMLInputElement} new-label
 * @property {HTMLElement} no-models
 * @property {HTMLElement} no-usable-models
 * @property {HTMLButtonElement} none
 * @property {HTMLButtonElement} open-grid
 * @property {HTMLButtonElement} open-keys
 * @property {HTMLButtonElement} open-label
 * @property {HTMLButtonElement} open-train
 * @property {HTMLButtonElement} open-use
 * @property {HTMLImageElement} photo
 * @property {HTMLElement} position
 * @property {HTMLButtonElement} previous
 * @property {HTMLElement} question
 * @property {HTMLSelectElement} queue
 * @property {HTMLButtonElement} reload
 * @property {HTMLIFrameElement} report
 * @property {HTMLButtonElement} rest
 * @property {HTMLElement} serve
 * @property {HTMLElement} serve-command
 * @property {HTMLTemplateElement} similar-photo
 * @property {HTMLButtonElement} skip
 * @property {HTMLElement} start
 * @property {HTMLButtonElement} start-training
 * @property {HTMLButtonElement} start-use
 * @property {HTMLElement} status
 * @property {HTMLElement} table
 * @property {HTMLTemplateElement} tile
 * @property {HTMLFormElement} train
 * @property {HTMLInputElement} train-name
 * @property {HTMLElement} train-photos
 * @property {HTMLElement} train-view
 * @property {HTMLElement} training
 * @property {HTMLProgressElement} training-progress
 * @property {HTMLElement} training-state
 * @property {HTMLButtonElement} undo
 * @property {HTMLFormElement} use
 * @property {HTMLIFrameElement} use-frame
 * @property {HTMLSelectElement} use-model
 * @property {HTMLElement} use-state
 * @property {HTMLElement} use-view
 * @property {HTMLElement} views
 * @property {HTMLButtonElement} zoom
 */

const FEWEST_PHOTOS = 10;

/** @type {import("../dom.js").ById<Elements>} */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));
export const number = (/** @type {number} */ n) => n.toLocaleString("en");
/**
 * @param {number} n
 * @param {string} thing
 */
export const count = (n, thing) => `${number(n)} ${thing}${n === 1 ? "" : "s"}`;
/** @param {number} share */
export const percent = (share) => `${Math.round(100 * share)} %`;
export { WORDS } from "./table_words.js";

export class Shell {
  constructor() {
    this.project = new Project();
    /** @type {View | null} */
    this.view = null; // until everything was loaded
    /** @type {Promise<void>} */
    this.waiting = Promise.resolve();
    this.complaint = ""; // what it is about
    this.lookSoon = () => {}; // for scores of new answers
    /** @type {(name: "label" | "grid" | "train" | "use") => void} */
    this.open = () => {};
    /** @type {{ name: string, backbone: string } | null} */
    this.wanted = null; // the model to choose when “Use” is opened
  }

  /** @param {string} text */
  say(text) {
    byId("status").textContent = text;
  }

  /**
   * A complaint stays until its cause is gone; it is not repeated to screen readers.
   *
   * @param {string} text
   */
  complain(text, about = "change") {
    this.complaint = about;
    if (about === "server") byId("table").textContent = ""; // nothing is known of it
    if (text === byId("alert").textContent) return;
    byId("alert").hidden = !text;
    byId("alert").textContent = text;
  }

  /** @param {string} about */
  settle(about) {
    if (this.complaint === about) this.complain("");
  }

  /**
   * Save answers as `change` does, but refuse them if photos were listed anew since the key was pressed: the numbers
   * of photos are others.
   *
   * @param {(since: number) => Promise<Labels> | undefined} request
   */
  answer(request, after = () => {}) {
    const { names } = this.project;
    return this.change((since) => {
      if (this.project.names === names) return request(since);
      throw new Error("the list of photos has changed; check the photo and answer again");
    }, after);
  }

  /**
   * Make a change once those before it are made and shown: no key is lost, and each sees what the others did.
   * The request gets the revision that the page has seen, and may be none.
   *
   * @param {(since: number) => Promise<Labels> | undefined} request
   */
  change(request, after = () => {}) {
    this.waiting = this.waiting.then(async () => {
      const shown = this.view?.current();
      try {
        const changed = await request(this.project.revision);
        if (!changed) return;
        // A look at what others did may have overtaken the answer: it knows of this change, and is newer.
        if (changed.revision >= this.project.revision) this.project.take(changed);
        if (changed.names.length) this.view?.keep(shown);
        this.settle("change");
        after();
        this.show();
        this.lookSoon();
      } catch (/** @type {any} */ error) {
        if (error.status === 409) await this.loadAnew(shown).catch(() => {});
        this.complain(error.message);
      }
    });
    return this.waiting;
  }

  /** @param {string | undefined} shown */
  async loadAnew(shown) {
    await this.project.load();
    this.view?.keep(shown);
    this.show();
  }

  show() {
    this.showTable();
    this.showLearning();
    this.view?.show();
  }

  showTable() {
    const { table } = this.project;
    if (!table) return;
    const { name, given, is_saved, is_changed_elsewhere, is_missing, pending } = table;
    const beside = given === name ? "" : ` ${given} is not changed.`;
    const state = this.project.countBegun() === 0 ? "Answers will be saved to" : is_saved ? "Saved in" : "Saving to";
    byId("table").textContent = `${state} ${name}.${beside}`;
    byId("reload").hidden = !(is_changed_elsewhere || is_missing || pending.length);
    byId("reload").textContent = is_missing ? "Write the table again" : "Read the table again";
    const complaints = listComplaints(table).join(" ");
    if (complaints) this.complain(complaints, "table");
    else this.settle("table");
  }

  // How good the suggestions are, or why there are none.
  showLearning() {
    const { learning } = this.project;
    byId("learning").hidden = !learning;
    if (learning) byId("learning").textContent = this.learningInWords(learning);
  }

  /** @param {import("./api.js").Learning} learning */
  learningInWords({ problem, n_done, n_photos, estimate, first }) {
    if (problem) return `Nothing is suggested: ${problem}.`;
    const reading = n_done < n_photos ? `Looking at the photos: ${number(n_done)} of ${number(n_photos)}. ` : "";
    if (!estimate || !first) {
      const n = FEWEST_PHOTOS - this.project.countBegun();
      if (n <= 0 && n_done < n_photos) return `${reading}Suggestions will follow.`;
      const missing = n > 0 ? `after ${count(n, "more photo")} with answers` : "once a label is present on some photos and absent on others";
      return `${reading}Suggestions start ${missing}.`;
    }
    const since = first.n_photos === estimate.n_photos ? "" : ` With ${number(first.n_photos)} photos, the mAP was ${percent(first.mean_average_precision)}.`;
    const verdict = estimate.low > estimate.label_prior ? "are better than guessing" : "are not yet clearly better than guessing";
    return `${reading}Suggestions learned from ${number(estimate.n_photos)} photos ${verdict}. In cross-validation: mAP ${percent(estimate.mean_average_precision)} \
(${percent(estimate.low)} to ${percent(estimate.high)}), nearest neighbors ${percent(estimate.nearest_neighbors)}, \
guessing by frequency ${percent(estimate.label_prior)}.${since}`;
  }

  leftInWords() {
    const n = this.project.unlabeled().length;
    return n ? `${count(n, "photo")} left.` : "All photos are labeled.";
  }
}
