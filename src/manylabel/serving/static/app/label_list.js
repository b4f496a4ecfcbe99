// The labels of one photo: a button and a menu for each.

import { copyOf, part } from "../dom.js";
import { changeLabels } from "./api.js";
import { WORDS, byId, count, percent } from "./shell.js";

/**
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
    byId("filter").onkeydown = (event) => event.key === "Enter" && this.toggleFound(event.shiftKey);
  }

  /** @param {boolean} isUnknown */
  toggleFound(isUnknown) {
    const label = buttons()[0]?.dataset.label;
    if (label === undefined) return;
    byId("filter").value = "";
    byId("filter").blur();
    this.toggle(label, isUnknown);
  }

  /**
   * @param {number} row
   * @param {Suggestions} suggestions
   */
  show(row, suggestions) {
    this.showAgain = () => this.show(row, suggestions);
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
        .map(({ label, key }) => this.rowOf(label, key, row, suggestions)),
    );
    if (focused !== null) buttons().find((button) => button.dataset.label === focused)?.focus();
  }

  /**
   * @param {string} label
   * @param {string} key
   * @param {number} row
   * @param {Suggestions} suggestions
   */
  rowOf(label, key, row, suggestions) {
    const item = copyOf(byId("label-row"));
    const answer = this.project.answer(row, label);
    const probability = suggestions.probability(label);
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
    details.ontoggle = () => details.open && this.showDetails(details, label);
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
    part(details, ".hint").textContent = `On ${count(n, "photo")}. Enter the name of another label to merge the two.`;
    part(details, "form").onsubmit = (event) => {
      event.preventDefault();
      const to = input.value.trim();
      const kind = project.labels.includes(to) ? "merge" : "rename";
      if (to !== label) shell.change((since) => changeLabels(since, kind, label, to), () => shell.say(`${label} is now ${to}. Press U to undo.`));
    };
    part(details, "button.remove").onclick = () =>
      shell.change((since) => changeLabels(since, "remove", label), () => shell.say(`${label} was removed from ${count(n, "photo")}. Press U to undo.`));
  }
}
