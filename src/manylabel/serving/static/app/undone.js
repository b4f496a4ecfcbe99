// What was undone, in words.

import { ANSWERS } from "./project.js";
import { WORDS, count } from "./shell.js";

/**
 * @typedef {import("./api.js").Labels} Labels
 * @typedef {import("./project.js").Project} Project
 */

/**
 * @param {Project} project before it takes the change
 * @param {Labels} changed
 */
export function undoneInWords(project, changed) {
  if (changed.names.length) return "Undone."; // photos were listed anew
  const gone = project.labels.filter((label) => !changed.labels.includes(label));
  const back = changed.labels.filter((label) => !project.labels.includes(label));
  if (gone.length && back.length) return `Undone: ${gone.join(", ")} is ${back.join(", ")} again.`;
  if (back.length) return `Undone: the label ${back.join(", ")} is back.`;
  if (gone.length) return `Undone: the label ${gone.join(", ")} is gone again.`;
  const rows = Object.keys(changed.answers).map(Number);
  const given = (/** @type {number} */ row, /** @type {string} */ label) => ANSWERS[changed.answers[row][changed.labels.indexOf(label)]];
  const turned = rows.flatMap((row) => changed.labels.filter((label) => given(row, label) !== project.answer(row, label)));
  if (!turned.length) return "Undone.";
  if (rows.length > 1) return `Undone on ${count(rows.length, "photo")}: ${[...new Set(turned)].join(", ")}.`;
  const answers = turned.map((label) => `${label} ${WORDS[given(rows[0], label)]}`);
  return `Undone. ${project.names[rows[0]]}: ${answers.join(", ")}.`;
}
