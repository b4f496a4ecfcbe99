// The suggestions for the photo that is shown. They stay as they are while it is shown: what is confirmed has been seen.

import { LIKELY } from "./project.js";

/** @typedef {import("./project.js").Project} Project */

export const MS_TO_LOOK = 600;

export class Suggestions {
  /** @param {Project} project */
  constructor(project) {
    this.project = project;
    /** @type {string | undefined} */
    this.photo = undefined;
    /** @type {Map<string, number>} */
    this.probabilities = new Map(); // by label
    this.begun = 0; // when they appeared under a photo that was shown already
  }

  /**
   * Take up those of a photo, unless they are shown already.
   *
   * @param {number} row
   */
  take(row) {
    const { project } = this;
    const isSame = this.photo === project.names[row];
    if (isSame && this.probabilities.size) return;
    this.photo = project.names[row];
    this.probabilities = new Map();
    for (const label of project.labels) {
      const probability = project.probability(row, label);
      if (probability !== null) this.probabilities.set(label, probability);
    }
    this.begun = isSame && this.probabilities.size ? performance.now() : -MS_TO_LOOK;
  }

  /** @param {string} label */
  probability(label) {
    return this.probabilities.get(label) ?? null;
  }

  /**
   * Whether a label without an answer is suggested as present.
   *
   * @param {number} row
   * @param {string} label
   * @param {Map<string, number>} [seen] the probabilities that were shown, if that was earlier
   */
  has(row, label, seen = this.probabilities) {
    return this.project.answer(row, label) === "unknown" && (seen.get(label) ?? 0) >= LIKELY;
  }

  // Nobody can have looked at them yet.
  areNew() {
    return performance.now() - this.begun < MS_TO_LOOK;
  }
}
