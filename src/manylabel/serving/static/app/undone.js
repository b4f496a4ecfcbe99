// What was undone, in words.

import { WORDS, count } from "./shell.js";

/** @param {import("./api.js").UndoResult} undone */
export function undoneInWords({ answers, n_pending, renamed, added, removed }) {
  if (renamed.length) return `Undone: ${renamed.map(([from, to]) => `${from} is ${to} again`).join(", ")}.`;
  if (added.length) return `Undone: the label ${added.join(", ")} is back.`;
  if (removed.length) return `Undone: the label ${removed.join(", ")} is gone again.`;
  const pending = n_pending ? ` Undone: ${count(n_pending, "answer")} for photos that are not in the folder.` : "";
  return `${answersInWords(answers, pending !== "")}${pending}`.trim();
}

/**
 * @param {Record<string, import("./api.js").Answers>} answers by name of the photo
 * @param {boolean} isMore whether more was undone
 */
function answersInWords(answers, isMore) {
  const names = Object.keys(answers);
  if (!names.length) return isMore ? "" : "Nothing was undone: it has been changed since, or its photos are not in the folder.";
  if (names.length > 1) {
    const labels = new Set(Object.values(answers).flatMap(Object.keys));
    return `Undone on ${count(names.length, "photo")}: ${[...labels].join(", ")}.`;
  }
  const given = Object.entries(answers[names[0]]).map(([label, answer]) => `${label} ${WORDS[answer]}`);
  return `Undone. ${names[0]}: ${given.join(", ")}.`;
}
