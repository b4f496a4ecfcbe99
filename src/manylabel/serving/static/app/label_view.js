// One photo at a time: a button and a key per label.

import { part } from "../dom.js";
import { LARGE_PX, changeLabels, pictureOf, setAnswers } from "./api.js";
import { KEYS, LabelList } from "./label_list.js";
import { QUEUES, showQuestion } from "./queues.js";
import { Suggestions } from "./suggestions.js";
import { WORDS, byId, number } from "./shell.js";

/**
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./api.js").Answers} Answers
 * @typedef {import("./queues.js").Choice} Choice
 * @typedef {import("./queues.js").Item} Item
 * @typedef {import("./shell.js").Shell} Shell
 */

const MANY_KEPT = 20;

export class LabelView {
  /** @param {Shell} shell */
  constructor(shell) {
    this.shell = shell;
    this.project = shell.project;
    /** @type {Item} */
    this.item = { row: 0, key: "0" }; // what is shown
    /** @type {Item[]} */
    this.past = []; // what was shown before
    /** @type {Set<string>} */
    this.passed = new Set(); // what was decided in this round through a sorted queue: it may be listed still
    /** @type {Set<string>} */
    this.skipped = new Set(); // what comes again behind the last one
    /** @type {boolean[]} */
    this.kept = []; // whether the answers to the questions so far kept what was given
    /** @type {string | undefined} */
    this.wanted = undefined; // name of the photo to begin with
    /** @type {string | undefined} */
    this.shown = undefined; // name of the photo that was shown last
    /** @type {string[]} */
    this.names = []; // the list of photos that it is from
    this.suggestions = new Suggestions(shell.project);
    this.list = new LabelList(shell, (label, isUnknown) => this.toggle(label, isUnknown));
    this.isSeen = false; // nothing is answered before the photo is there
    this.isLeaving = false; // a photo was confirmed, and the next one is on its way
    /** @type {Record<string, () => void>} */
    this.actions = {
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      Enter: () => this.confirm(false),
      n: () => this.confirm(true),
      s: () => this.move(1),
      z: () => this.zoom(),
      "/": () => part(document, "label.filter").hidden || byId("filter").focus(),
      "+": () => byId("new-label").focus(),
    };
    byId("confirm").onclick = () => this.confirm(false);
    byId("none").onclick = () => this.confirm(true);
    byId("skip").onclick = () => this.move(1);
    byId("previous").onclick = () => this.move(-1);
    byId("zoom").onclick = () => this.zoom();
    byId("queue").onchange = () => this.enterQueue();
    byId("add").onsubmit = (event) => {
      event.preventDefault();
      this.addLabel(byId("new-label").value);
    };
    byId("photo").onload = () => this.see(true);
    byId("photo").onerror = () => this.explainPhoto();
  }

  get row() {
    return this.item.row;
  }

  get queue() {
    return byId("queue").value || "unlabeled";
  }

  current() {
    return this.project.names[this.row];
  }

  /**
   * Photos were listed anew: show the same one; if it is gone, the next one of the former list that is still there;
   * without any, the first.
   *
   * @param {string | undefined} name
   */
  keep(name) {
    this.past = [];
    this.passed.clear(); // they go by the numbers of photos
    this.skipped.clear();
    const { names } = this.project;
    const left = new Set(names);
    const before = this.names.indexOf(name ?? "");
    const wanted = before < 0 ? name : this.names.slice(before).find((one) => left.has(one));
    this.showPhoto(Math.max(0, names.indexOf(wanted ?? "")));
  }

  /** @param {number} row */
  showPhoto(row) {
    this.item = this.items().find((item) => item.row === row) ?? { row, key: String(row) };
  }

  /** @param {boolean} isSeen */
  see(isSeen) {
    this.isSeen = isSeen;
    byId("photo").style.visibility = isSeen ? "visible" : "hidden";
  }

  /**
   * Answers were undone: show the photo that was decided last of these again, with its question.
   *
   * @param {number[]} rows
   */
  goBackTo(rows) {
    const seen = [...this.past, this.item];
    const index = seen.findLastIndex(({ row, key }) => rows.includes(row) && this.passed.has(key));
    if (index < 0) return rows.length === 1 && this.showPhoto(rows[0]);
    this.item = seen[index];
    this.past = seen.slice(0, index);
    this.reopen(this.item);
  }

  /**
   * It was decided or skipped, and is open again.
   *
   * @param {Item} item
   */
  reopen(item) {
    if (this.passed.delete(item.key) && item.question) this.kept.pop();
    this.skipped.delete(item.key);
  }

  begin() {
    this.showChoices();
    const wanted = this.wanted ?? this.shown;
    const isAsLeft = this.wanted === undefined && this.names === this.project.names;
    if (wanted !== undefined && !isAsLeft) this.keep(wanted);
    if (wanted === undefined) this.showPhoto(this.items()[0]?.row ?? 0);
    this.wanted = undefined;
    const image = byId("photo");
    if (image.src && image.complete && !image.naturalWidth) this.explainPhoto(); // nothing is loaded again
    if (!this.project.labels.length) byId("new-label").focus();
  }

  // --- answers ---

  /**
   * What is answered is decided when the answers before it are made.
   *
   * @param {(row: number) => Answers} choose
   * @param {() => void} after
   * @param {{ only_unknown?: boolean }} [how]
   */
  answer(choose, after, how = {}) {
    const { row } = this;
    // Other labels of a photo that is asked about are no answer to the question.
    const queue = this.item.question ? `labels in ${this.queue}` : this.queue;
    return this.shell.answer((since) => setAnswers(since, { [row]: choose(row) }, queue, how), after);
  }

  // The question about the photo, unless it was answered just now.
  get question() {
    return this.passed.has(this.item.key) ? undefined : this.item.question;
  }

  // Nobody can have looked at suggestions that have just appeared.
  isToBeRead() {
    const isNew = this.suggestions.areNew();
    if (isNew) this.shell.say("Suggestions have just appeared. Look at them first.");
    return isNew;
  }

  /**
   * @param {string} label
   * @param {boolean} isUnknown
   */
  toggle(label, isUnknown) {
    if (!this.isReady() || this.isToBeRead()) return;
    const seen = this.suggestions.probabilities;
    const isShown = (/** @type {number} */ row) => this.project.answer(row, label) === "present" || this.suggestions.has(row, label, seen);
    /** @returns {Answer} */
    const next = (/** @type {number} */ row) => (isUnknown ? "unknown" : isShown(row) ? "absent" : "present");
    /** @type {Answer} */
    let answer;
    this.answer(
      (row) => {
        answer = next(row);
        return { [label]: answer };
      },
      () => this.shell.say(`${label}: ${WORDS[answer]}`),
    );
  }

  /**
   * Give every label without an answer, or every label, the answer "absent", those that are suggested "present"; go on.
   *
   * @param {boolean} isNone
   */
  confirm(isNone) {
    const { project, row } = this;
    if (!project.labels.length) {
      this.shell.say("Add a label first.");
      return byId("new-label").focus();
    }
    if (!this.isReady()) return;
    if (this.question?.choices.length) return this.shell.say("Answer the question first, or press S to skip it.");
    if (!isNone && this.isToBeRead()) return;
    this.isLeaving = true;
    const seen = this.suggestions.probabilities;
    const rest = () => project.labels.filter((label) => isNone || project.answer(row, label) === "unknown");
    const isPresent = (/** @type {string} */ label) => !isNone && this.suggestions.has(row, label, seen);
    this.answer(
      () => Object.fromEntries(rest().map((label) => [label, isPresent(label) ? "present" : "absent"])),
      () => {
        const present = project.labels.filter((label) => project.answer(row, label) === "present");
        this.passed.add(this.item.key);
        this.goOn(1);
        this.shell.say(`${project.names[row]}: ${present.join(", ") || "none of the labels"}. ${this.leftInWords()}`);
      },
      { only_unknown: !isNone },
    ).finally(() => {
      this.isLeaving = false;
    });
  }

  /**
   * Answer the question about the photo, and go on.
   *
   * @param {Choice} choice
   */
  choose(choice) {
    if (!this.isReady()) return;
    this.isLeaving = true;
    this.shell
      .answer(
        (since) => setAnswers(since, choice.answers(this.project), this.queue, { confirms: true }),
        () => {
          this.passed.add(this.item.key);
          this.kept.push(choice.key === "k");
          this.goOn(1);
          this.shell.say(`${choice.title}. ${this.leftInWords()}`);
        },
      )
      .finally(() => {
        this.isLeaving = false;
      });
  }

  // Nobody has seen the next photo yet: what is pressed until then is for no photo.
  isReady() {
    const isReady = this.isSeen && !this.isLeaving;
    if (!isReady) this.shell.say("The photo is not shown yet.");
    return isReady;
  }

  /** @param {string} name */
  addLabel(name) {
    this.shell.change((since) => changeLabels(since, "add", name), () => {
      byId("new-label").value = "";
      this.shell.say(`${name} was added.`);
    });
  }

  // --- moving ---

  items() {
    return QUEUES[this.queue].items(this.project);
  }

  // What is left of the queue; what was skipped is.
  left() {
    const items = this.items();
    return QUEUES[this.queue].isSorted ? items.filter((item) => !this.passed.has(item.key)) : items;
  }

  leftInWords() {
    if (this.queue === "unlabeled" || this.queue === "all") return this.shell.leftInWords();
    const left = this.left();
    return `${number(left.length)} left in “${QUEUES[this.queue].title}”.${this.keptInWords()}`;
  }

  // When to stop with possible mistakes: the most suspicious come first.
  keptInWords() {
    const kept = this.kept.slice(-MANY_KEPT);
    if (this.queue !== "issues" || kept.length < MANY_KEPT / 2) return "";
    const n = kept.filter(Boolean).length;
    const rest = n === MANY_KEPT ? " The rest is less suspicious: you can stop here." : "";
    return ` You kept ${n} of your last ${kept.length} answers here.${rest}`;
  }

  enterQueue() {
    this.past = [];
    this.passed.clear();
    this.skipped.clear();
    this.kept = [];
    const items = this.items();
    const isSorted = QUEUES[this.queue].isSorted;
    const same = isSorted ? undefined : items.find((item) => item.row === this.row);
    this.item = same ?? items.find((item) => isSorted || item.row > this.row) ?? items[0] ?? this.item;
    this.shell.show();
  }

  /**
   * The next photo of the queue; behind the last comes the first again.
   *
   * @param {1 | -1} step
   */
  goOn(step) {
    const before = this.item;
    if (step < 0) {
      const others = this.items().filter((item) => item.key !== before.key);
      this.item = this.past.pop() ?? others.findLast((item) => item.row < before.row) ?? others.at(-1) ?? before;
      this.reopen(this.item);
      return;
    }
    const others = this.left().filter((item) => item.key !== before.key);
    const next = QUEUES[this.queue].isSorted ? this.nextSorted(others) : (others.find((item) => item.row > before.row) ?? others[0]);
    if (!next) return;
    this.past.push(before);
    this.item = next;
  }

  /**
   * The next of a sorted queue; once all were seen, those that were skipped come again.
   *
   * @param {Item[]} others
   */
  nextSorted(others) {
    const isNew = (/** @type {Item} */ item) => !this.skipped.has(item.key);
    if (!others.some(isNew)) this.skipped.clear();
    return others.find(isNew);
  }

  /** @param {1 | -1} step */
  move(step) {
    if (this.isLeaving) return; // a photo was confirmed, and the next one is on its way
    if (step > 0) this.skipped.add(this.item.key);
    this.goOn(step);
    this.show();
    this.shell.say(`${this.project.names[this.row]}, photo ${number(this.row + 1)} of ${number(this.project.names.length)}`);
  }

  zoom() {
    const button = byId("zoom");
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  }

  /**
   * @param {string} key
   * @param {KeyboardEvent} event
   */
  keydown(key, event) {
    const label = this.project.labels[KEYS.indexOf(key)];
    const choice = this.question?.choices.find((one) => one.key === key);
    if (choice) this.choose(choice);
    else if (this.actions[key]) this.actions[key]();
    else if (label !== undefined) this.toggle(label, event.shiftKey);
    else return false;
    return true;
  }

  // --- what is seen ---

  show() {
    this.showChoices();
    const { project, row } = this;
    const isDone = this.queue !== "all" && project.labels.length > 0 && !this.left().length;
    byId("start").hidden = project.labels.length > 0;
    byId("done").hidden = !isDone;
    part(byId("done"), ".mistakes").hidden = !project.learning || this.queue !== "unlabeled";
    part(byId("done"), "h2").textContent = this.queue === "unlabeled" ? "All photos are labeled" : `Nothing left in “${QUEUES[this.queue].title}”`;
    showQuestion(this.question, project, (choice) => this.choose(choice));
    byId("confirm").hidden = byId("none").hidden = byId("confirm-hint").hidden = Boolean(this.question?.choices.length);
    const image = byId("photo");
    const address = pictureOf(row, project.names[row], LARGE_PX);
    if (!image.src.endsWith(address)) {
      this.see(false);
      this.shell.settle("photo");
      image.src = address;
      byId("zoom").setAttribute("aria-pressed", "false");
    }
    image.alt = project.names[row];
    this.names = project.names;
    this.shown = project.names[row];
    byId("name").textContent = project.names[row];
    byId("position").textContent = `Photo ${number(row + 1)} of ${number(project.names.length)}. ${this.leftInWords()}`;
    this.suggestions.take(row);
    this.list.show(this.row, this.suggestions, this.question);
  }

  // Scores and queues are others; what is typed or open stays.
  showScores() {
    const known = this.items().find((item) => item.key === this.item.key);
    if (known) this.item = known;
    if (part(document, "#labels details[open]") === null) this.show();
    else this.showChoices();
  }

  // The queues, and how much is in them.
  showChoices() {
    const list = byId("queue");
    const before = this.queue;
    const isListed = (/** @type {string} */ name) =>
      (this.project.learning || !QUEUES[name].isLearned) && (!QUEUES[name].isRare || name === before || QUEUES[name].items(this.project).length > 0);
    const names = Object.keys(QUEUES).filter(isListed);
    const titles = names.map((name) => `${QUEUES[name].title} (${number(QUEUES[name].items(this.project).length)})`);
    if (list.length === names.length && titles.every((title, index) => list.options[index].text === title)) return;
    list.replaceChildren(...names.map((name, index) => new Option(titles[index], name)));
    list.value = names.includes(before) ? before : "unlabeled";
  }

  async explainPhoto() {
    const { row, project, shell } = this;
    const response = await fetch(pictureOf(row, project.names[row], LARGE_PX));
    if (response.ok) return;
    const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
    shell.complain(`${project.names[row]} cannot be shown: ${detail}. Press S to skip it.`, "photo");
  }
}
