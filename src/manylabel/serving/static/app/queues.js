// Lists of photos to look at, and the questions about them.

import { copyOf, part } from "../dom.js";
import { SMALL_PX, pictureOf } from "./api.js";
import { WORDS, byId, percent } from "./shell.js";

/**
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./api.js").Answers} Answers
 * @typedef {import("./project.js").Project} Project
 */

/**
 * A photo of a queue, and what it is there for.
 *
 * @typedef {object} Item
 * @property {number} row
 * @property {string} key tells the items of a queue apart
 * @property {Question} [question]
 */

/**
 * A question about a photo. Without choices it is answered by changing the labels.
 *
 * @typedef {object} Question
 * @property {string} text
 * @property {{ row: number, text: string }[]} photos to compare with
 * @property {Choice[]} choices
 * @property {string} [label] the label that is asked about
 * @property {number} [probability] that it is present, by a model that has not seen the answer
 */

/**
 * A way to answer a question.
 *
 * @typedef {object} Choice
 * @property {string} key
 * @property {string} title
 * @property {(project: Project) => Record<string, Answers>} answers by number of the photo, as they are by now
 */

/**
 * A queue.
 *
 * @typedef {object} Queue
 * @property {string} title
 * @property {boolean} isSorted the most important first; otherwise in the order of the folder
 * @property {boolean} isLearned there is none without a model
 * @property {boolean} [isRare] it is listed only while something is in it
 * @property {(project: Project) => Item[]} items
 */


/** @param {number} row */
const plain = (row) => ({ row, key: String(row) });

/** @type {Record<string, Queue>} */
export const QUEUES = {
  unlabeled: {
    title: "photos to label",
    isSorted: false,
    isLearned: false,
    items: (project) => project.unlabeled().map(plain),
  },
  suggested: {
    title: "most worth labeling next",
    isSorted: true,
    isLearned: true,
    items: ({ queues }) => queues.suggested.map(plain),
  },
  issues: {
    title: "possible mistakes",
    isSorted: true,
    isLearned: true,
    items: ({ queues }) =>
      queues.issues.map(({ row, label, given, probability, similar }) => ({
        row,
        key: `${row} ${label}`,
        question: {
          text: `Given: ${label} is ${WORDS[given]}. A model that has not seen this answer puts ${label} at ${percent(probability)}.`,
          photos: similar.map((photo) => ({ row: photo.row, text: `${label}: ${WORDS[photo.answer]}` })),
          choices: decide(row, label, given),
          label,
          probability,
        },
      })),
  },
  duplicates: {
    title: "near-duplicates with different labels",
    isSorted: true,
    isLearned: true,
    isRare: true,
    items: (project) => project.queues.duplicates.map((pair) => compare(project, pair)),
  },
  constraints: {
    title: "broken constraints",
    isSorted: true,
    isLearned: true,
    isRare: true,
    items: ({ queues }) =>
      queues.constraints.map(({ row, constraint, labels }) => ({
        row,
        key: `${row} ${constraint}`,
        question: {
          text: `These answers break the constraint “${constraint}”: ${labels.join(", ")}. Change one of them.`,
          photos: [],
          choices: [],
        },
      })),
  },
  disagreements: {
    title: "conflicting answers",
    isSorted: true,
    isLearned: true,
    isRare: true,
    items: ({ queues }) =>
      queues.disagreements.map(({ row, label, given, answers }) => ({
        row,
        key: `${row} ${label}`,
        question: {
          text: `${label}: ${Object.entries(answers).map(([name, answer]) => `${name || "somebody"} says ${WORDS[answer]}`).join(", ")}.`,
          photos: [],
          choices: given === "unknown" ? settle(row, label) : decide(row, label, given),
        },
      })),
  },
  all: {
    title: "all photos",
    isSorted: false,
    isLearned: false,
    items: ({ names }) => [...names.keys()].map(plain),
  },
};

/**
 * The choices where one answer is in doubt.
 *
 * @param {number} row
 * @param {string} label
 * @param {Answer} given
 * @returns {Choice[]}
 */
function decide(row, label, given) {
  const other = given === "present" ? "absent" : "present";
  return [
    { key: "k", title: `Keep “${WORDS[given]}”`, answers: (project) => ({ [row]: { [label]: project.answer(row, label) } }) },
    { key: "c", title: `Change to “${WORDS[other]}”`, answers: () => ({ [row]: { [label]: other } }) },
    { key: "x", title: "Not sure", answers: () => ({ [row]: { [label]: "unknown" } }) },
  ];
}

/**
 * The choices where there is no answer yet.
 *
 * @param {number} row
 * @param {string} label
 * @returns {Choice[]}
 */
const settle = (row, label) => [
  { key: "k", title: "Present", answers: () => ({ [row]: { [label]: "present" } }) },
  { key: "c", title: "Absent", answers: () => ({ [row]: { [label]: "absent" } }) },
];

/**
 * @param {Project} project
 * @param {import("./api.js").Duplicate} pair
 * @returns {Item}
 */
function compare(project, { row, other, labels }) {
  const of = (/** @type {Project} */ now, /** @type {number} */ photo) =>
    Object.fromEntries(labels.map((label) => [label, now.answer(photo, label)]));
  const inWords = (/** @type {number} */ photo) => labels.map((label) => `${label} ${WORDS[project.answer(photo, label)]}`).join(", ");
  return {
    row,
    key: `${row} ${other}`,
    question: {
      text: `This photo: ${inWords(row)}. A near-duplicate has other answers.`,
      photos: [{ row: other, text: inWords(other) }],
      choices: [
        { key: "k", title: "Keep both", answers: (now) => ({ [row]: of(now, row), [other]: of(now, other) }) },
        { key: "c", title: "This photo is right", answers: (now) => ({ [row]: of(now, row), [other]: of(now, row) }) },
        { key: "x", title: "The other is right", answers: (now) => ({ [row]: of(now, other), [other]: of(now, other) }) },
      ],
    },
  };
}

/**
 * Show a question, or none.
 *
 * @param {Question | undefined} question
 * @param {Project} project
 * @param {(choice: Choice) => void} choose
 */
export function showQuestion(question, project, choose) {
  const section = byId("question");
  section.hidden = !question;
  if (!question) return;
  part(section, "p").textContent = question.text;
  part(section, ".similar").replaceChildren(
    ...question.photos.map(({ row, text }) => {
      const figure = copyOf(byId("similar-photo"));
      const image = part(figure, "img");
      image.src = pictureOf(row, project.names[row], SMALL_PX);
      image.alt = project.names[row];
      part(figure, "figcaption").textContent = text;
      return figure;
    }),
  );
  part(section, ".choices").replaceChildren(
    ...question.choices.map((choice) => {
      const button = copyOf(byId("choice"));
      part(button, "span").textContent = choice.title;
      part(button, "kbd").textContent = choice.key.toUpperCase();
      button.onclick = () => choose(choice);
      return button;
    }),
  );
}
