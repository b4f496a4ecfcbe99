// What the server told: photos, labels, answers. The page keeps nothing else that matters.

import { getLabels } from "./api.js";

/**
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./api.js").Labels} Labels
 * @typedef {import("./api.js").Table} Table
 */

/** @type {Record<string, Answer>} */
const ANSWERS = { 1: "present", 0: "absent", "?": "unknown" };

export class Project {
  constructor() {
    this.revision = 0;
    /** @type {string[]} */
    this.labels = [];
    /** @type {string[]} */
    this.names = [];
    /** @type {string[]} */
    this.rows = []; // the answers of each photo, a character per label
    /** @type {Table | null} */
    this.table = null; // until everything was loaded
    /** @type {string[]} */
    this.notes = [];
  }

  async load() {
    this.take(await getLabels());
  }

  // Ask what other browsers changed; true if anything did.
  async follow() {
    const before = this.revision;
    this.take(await getLabels(before));
    return this.revision !== before;
  }

  /** @param {Labels} told */
  take({ revision, labels, names, answers, notes, table }) {
    this.revision = revision;
    this.labels = labels;
    if (names.length) {
      this.names = names;
      this.rows = [];
    }
    for (const [row, marks] of Object.entries(answers)) this.rows[Number(row)] = marks;
    this.notes = notes;
    this.table = table;
  }

  /**
   * @param {number} row
   * @param {string} label
   */
  answer(row, label) {
    return ANSWERS[this.rows[row][this.labels.indexOf(label)]];
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
