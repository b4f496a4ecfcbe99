// What the server told: photos, labels, answers. The page keeps nothing else that matters.

import { getLabels, getQueues, getScores } from "./api.js";

/**
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./api.js").Labels} Labels
 * @typedef {import("./api.js").Learning} Learning
 * @typedef {import("./api.js").Queues} Queues
 * @typedef {import("./api.js").Table} Table
 */

const NO_SCORES = { labels: /** @type {string[]} */ ([]), values: new Uint16Array() };
const NOT_KNOWN = 65_535;
const CERTAIN = 65_534;
export const LIKELY = 0.5;

/** @type {Queues} */
const NO_QUEUES = { suggested: [], issues: [], duplicates: [], constraints: [], disagreements: [], problems: [] };

/** @type {Record<string, Answer>} */
export const ANSWERS = { 1: "present", 0: "absent", "?": "unknown" };

export class Project {
  constructor() {
    this.revision = 0;
    /** @type {string[]} */
    this.labels = [];
    /** @type {string[]} */
    this.names = [];
    /** @type {(string | null)[]} */
    this.parts = []; // of the split, by photo; none if no photo has one
    /** @type {string[]} */
    this.rows = []; // the answers of each photo, a character per label
    /** @type {Table | null} */
    this.table = null; // until everything was loaded
    /** @type {string[]} */
    this.notes = [];
    /** @type {Learning | null} */
    this.learning = null;
    this.scores = NO_SCORES;
    this.queues = NO_QUEUES;
    this.nScores = 0; // which scores these are
    this.known = ""; // which queues these are
  }

  async load() {
    this.take(await getLabels());
  }

  // Ask what other browsers changed; true if anything did. What this one changed meanwhile is newer.
  async follow() {
    const before = this.revision;
    const told = await getLabels(before);
    if (this.revision !== before) return false;
    this.take(told);
    return this.revision !== before;
  }

  // Ask for the scores and queues that belong to the answers; true if they were others.
  async followLearning() {
    const wanted = `${this.learning?.version} ${this.revision}`;
    if (!this.learning || wanted === this.known) return false;
    const { n_scores } = this.learning;
    if (n_scores !== this.nScores) {
      const scores = await getScores();
      const bytes = Uint8Array.from(atob(scores.values), (sign) => sign.charCodeAt(0));
      this.scores = { labels: scores.labels, values: new Uint16Array(bytes.buffer) };
      this.nScores = n_scores;
    }
    this.queues = await getQueues();
    this.known = wanted;
    return true;
  }

  /** @param {Labels} told */
  take({ revision, labels, names, parts, answers, notes, table, learning }) {
    this.revision = revision;
    this.labels = labels;
    if (names.length) {
      this.names = names;
      this.parts = parts;
      this.rows = [];
      this.scores = NO_SCORES; // they are of other photos
      this.queues = NO_QUEUES;
    }
    for (const [row, marks] of Object.entries(answers)) this.rows[Number(row)] = marks;
    this.notes = notes;
    this.table = table;
    this.learning = learning;
  }

  /**
   * @param {number} row
   * @param {string} label
   */
  answer(row, label) {
    return ANSWERS[this.rows[row][this.labels.indexOf(label)]];
  }

  /**
   * The part of the split that a photo is in, or none.
   *
   * @param {number} row
   */
  part(row) {
    return this.parts[row] ?? "none";
  }

  /**
   * The probability that a label is present, from 0 to 1; null where it is not known.
   *
   * @param {number} row
   * @param {string} label
   */
  probability(row, label) {
    const { labels, values } = this.scores;
    const column = labels.indexOf(label);
    const value = column < 0 ? NOT_KNOWN : (values[row * labels.length + column] ?? NOT_KNOWN);
    return value === NOT_KNOWN ? null : value / CERTAIN;
  }

  /**
   * Whether a label without an answer is suggested as present.
   *
   * @param {number} row
   * @param {string} label
   */
  isSuggested(row, label) {
    return this.answer(row, label) === "unknown" && (this.probability(row, label) ?? 0) >= LIKELY;
  }

  // Counts photos with any answer.
  countBegun() {
    return this.rows.filter((marks) => /[01]/.test(marks)).length;
  }

  /** @param {number} row */
  isLabeled(row) {
    return this.labels.length > 0 && !this.rows[row].includes("?");
  }

  /**
   * Counts photos per answer.
   *
   * @param {string} label
   * @param {Answer} answer
   */
  count(label, answer) {
    const column = this.labels.indexOf(label);
    return this.rows.filter((marks) => ANSWERS[marks[column]] === answer).length;
  }

  unlabeled() {
    return [...this.names.keys()].filter((row) => !this.isLabeled(row));
  }
}
