// The labels of one photo: a button and a menu for each.

import { copyOf, part } from "../dom.js";
import { changeLabels } from "./api.js";
import { WORDS, byId, count, percent } from "./shell.js";

/**
 * @typedef {import("./queues.js").Question} Question
 * @typedef {import("./shell.js").Shell} Shell
 * @typedef {import("./suggestions.js").Suggestions} Suggestions
 */

const FEW_LABELS = 8;
export const KEYS = [..."1234567890abcdefhijklmopqrtvwxy"]; // g, n, s, u and z do something else

const buttons = () => /** @type {HTMLButtonElement[]} */ ([...byId("labels").querySelectorAll("button.answer")]);

export class LabelList {
  /**
   * @param {Shell} shell
   * @param {(label: string, isUnknown: boolean) => void} toggle
   */
  constructor(shell, toggle) {
    this.shell = shell;
    this.project = shell.project;
    this.toggle = toggle;
    this.showAgain = () => {};
    byId("filter").oninput = () => this.showAgain();
    byId("filter").onkeydown = (event) => {
      if (event.key === "Enter") this.toggleFound(event.shiftKey);
    };
  }

  /** @param {boolean} isUnknown */
  toggleFound(isUnknown) {
    const label = byId("filter").value.trim() ? buttons()[0]?.dataset.label : undefined;
    byId("filter").value = "";
    byId("filter").blur();
    this.showAgain();
    if (label !== undefined) this.toggle(label, isUnknown);
  }

  /**
   * @param {number} row
   * @param {Suggestions} suggestions
   * @param {Question} [question] its label has the probability that the question names
   */
  show(row, suggestions, question) {
    this.showAgain = () => this.show(row, suggestions, question);
    const { labels } = this.project;
    part(document, "label.filter").hidden = labels.length <= FEW_LABELS;
    const wanted = byId("filter").value.trim().toLowerCase();
    const list = byId("labels");
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && active.closest("#labels") ? active.dataset.label : null;
    list.replaceChildren(
      ...labels
        .map((label, index) => ({ label, key: KEYS[index] ?? "" }))
        .filter(({ label }) => label.toLowerCase().includes(wanted))
        .map(({ label, key }) => this.rowOf(label, key, row, suggestions, question)),
    );
    if (focused !== null) buttons().find((button) => button.dataset.label === focused)?.focus();
  }

  /**
   * @param {string} label
   * @param {string} key
   * @param {number} row
   * @param {Suggestions} suggestions
   * @param {Question} [question]
   */
  rowOf(label, key, row, suggestions, question) {
    const item = copyOf(byId("label-row"));
    const answer = this.project.answer(row, label);
    const probability = question?.label === label ? (question.probability ?? null) : suggestions.probability(label);
    const isSuggested = suggestions.has(row, label);
    const state = isSuggested ? "suggested" : WORDS[answer];
    const inWords = probability === null ? state : `${state}, ${percent(probability)}`;
    const button = part(item, "button.answer");
    button.dataset.label = label;
    button.classList.add(answer);
    button.classList.toggle("suggested", isSuggested);
    button.setAttribute("aria-pressed", { present: "true", absent: "false", unknown: "mixed" }[answer]);
    if (key) button.setAttribute("aria-keyshortcuts", key);
    button.style.setProperty("--probability", String(probability ?? 0));
    part(item, "kbd").textContent = key;
    part(item, ".label-name").textContent = label;
    part(item, ".state").textContent = inWords;
    button.onclick = (event) => this.toggle(label, event.shiftKey);
    const details = part(item, "details");
    part(details, "summary").setAttribute("aria-label", `Change the label ${label}`);
    details.ontoggle = () => {
      if (details.open) this.showDetails(details, label);
    };
    return item;
  }

  /**
   * @param {HTMLDetailsElement} details
   * @param {string} label
   */
  showDetails(details, label) {
    const { project, shell } = this;
    const n = project.count(label, "present");
    const input = part(details, "input");
    input.value = label;
    const hint = part(details, ".hint");
    hint.textContent = `Present on ${count(n, "photo")}. Enter the name of another label to merge the two.`;
    let merging = ""; // asked about: merging cannot happen by a slip of the keyboard
    part(details, "form").onsubmit = (event) => {
      event.preventDefault();
      const typed = input.value.trim();
      const to = project.labels.find((other) => other !== label && other.toLowerCase() === typed.toLowerCase()) ?? typed;
      if (to === label) return;
      if (!project.labels.includes(to)) {
        shell.change((since) => changeLabels(since, "rename", label, to), () => shell.say(`${label} is now ${to}. Press U to undo.`));
        return;
      }
      if (merging !== to) {
        merging = to;
        hint.textContent = `${to} is on ${count(project.count(to, "present"), "photo")} already, ${label} on ${n}. Press “Rename” again to merge the two into ${to}.`;
        shell.say(hint.textContent);
        return;
      }
      shell.change(
        (since) => changeLabels(since, "merge", label, to),
        () => shell.say(`${label} was merged into ${to}, now on ${count(project.count(to, "present"), "photo")}. Press U to undo.`),
      );
    };
    part(details, "button.remove").onclick = () =>
      shell.change((since) => changeLabels(since, "remove", label), () => shell.say(`${label} was removed with all of its answers (present on ${count(n, "photo")}). Press U to undo.`));
  }
}
