// What was undone, in words.

import { WORDS, count } from "./shell.js";

/**
 * @param {string[]} names of the photos
 * @param {import("./api.js").Undone} undone
 */
export function undoneInWords(names, { answers, n_pending, renamed, added, removed }) {
  if (renamed.length) return `Undone: ${renamed.map(([from, to]) => `${from} is ${to} again`).join(", ")}.`;
  if (added.length) return `Undone: the label ${added.join(", ")} is back.`;
  if (removed.length) return `Undone: the label ${removed.join(", ")} is gone again.`;
  const rows = Object.keys(answers).map(Number);
  if (!rows.length && n_pending) return `Undone: ${count(n_pending, "answer")} on photos that are not in the folder.`;
  if (!rows.length) return "Nothing was undone: all of it was changed again since then.";
  if (rows.length > 1) {
    const labels = new Set(Object.values(answers).flatMap(Object.keys));
    return `Undone on ${count(rows.length, "photo")}: ${[...labels].join(", ")}.`;
  }
  const given = Object.entries(answers[rows[0]]).map(([label, answer]) => `${label} ${WORDS[answer]}`);
  return `Undone. ${names[rows[0]]}: ${given.join(", ")}.`;
}
