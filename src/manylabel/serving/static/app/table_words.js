// What the page says about the table on the disk.

/** @type {Record<import("./api.js").Answer, string>} */
export const WORDS = { present: "present", absent: "absent", unknown: "not answered" };
const SHOWN = 3;

/** @param {string[]} items */
const listSome = (items) => items.slice(0, SHOWN).join("; ") + (items.length > SHOWN ? ", and more" : "");

/**
 * What stands in the way of writing comes first; the rest is said at once, as all of it is about answers.
 *
 * @param {import("./api.js").Table} table
 */
export function listComplaints(table) {
  const { name, given, is_changed_elsewhere, is_missing, problem, conflicts, pending, removed_labels } = table;
  const journal = `${name}.changes.jsonl`;
  if (is_missing) return [`${name} was removed by another program. No answer is lost: you can write it again.`];
  if (is_changed_elsewhere) {
    return [`${name} was changed by another program, so it is not written until you read it again.`];
  }
  if (problem) return [`${problem}. Your answers are safe in ${journal}.`];
  const said = [];
  if (conflicts.length) {
    const listed = conflicts.map(({ photo, label, found }) => `${photo}, ${label} (${WORDS[found]})`);
    said.push(`${name} disagrees with your answers: ${listSome(listed)}. Those of ${name} were kept.`);
  }
  if (removed_labels.length) {
    said.push(`${name} was changed by another program, which removed labels: ${listSome(removed_labels)}.`);
  }
  if (pending.length) {
    const listed = pending.map(({ photo, label, wanted }) => `${photo}, ${label} (${WORDS[wanted]})`);
    said.push(`Some answers belong to photos that are not in the folder: ${listSome(listed)}. They are in ${journal}. Put the photos back and read the table again.`);
  }
  if (table.is_source_changed) {
    said.push(`${given} has other labels than those that ${name} was made from. Only ${name} is read. To begin again with ${given}, move ${name} and ${journal} elsewhere.`);
  }
  if (table.is_partial) {
    said.push(`${name} was gone and was made again from ${journal}. Answers from before the first change on this page are not in it.`);
  }
  return said;
}
