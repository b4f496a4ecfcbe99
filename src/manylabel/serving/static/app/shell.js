// What all views share: the project, one change at a time, words for people.

import { Project } from "./project.js";

export const byId = (id) => document.getElementById(id);
export const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
export const WORDS = { present: "present", absent: "absent", unknown: "not answered" };

export class Shell {
  constructor() {
    this.project = new Project();
    this.view = null;
    this.waiting = Promise.resolve();
  }

  say(text) {
    byId("status").textContent = text;
  }

  // A complaint stays until its cause is gone; it is not repeated to screen readers.
  complain(text, about = "change") {
    this.complaint = about;
    if (text === byId("alert").textContent) return;
    byId("alert").hidden = !text;
    byId("alert").textContent = text;
  }

  settle(about) {
    if (this.complaint === about) this.complain("");
  }

  // Make a change once those before it are made and shown: no key is lost, and each sees what the others did.
  // The request gets the revision that the page has seen, and may be none.
  change(request, after = () => {}) {
    this.waiting = this.waiting.then(async () => {
      const shown = this.view.current();
      try {
        const changed = await request(this.project.revision);
        if (!changed) return;
        this.project.take(changed);
        if (changed.names.length) this.view.keep(shown);
        this.settle("change");
        after();
        this.show();
      } catch (error) {
        this.complain(error.message);
        if (error.status === 409) await this.project.load().then(() => this.view.keep(shown), () => {});
      }
    });
    return this.waiting;
  }

  show() {
    this.showTable();
    this.view.show();
  }

  showTable() {
    const { name, given, is_saved, is_changed_elsewhere, problem, conflicts } = this.project.table;
    const beside = given === name ? "" : ` ${given} is not changed.`;
    const state = this.project.revision === 0 ? "Answers will be saved to" : is_saved ? "Saved in" : "Saving to";
    byId("table").textContent = `${state} ${name}.${beside}`;
    byId("reload").hidden = !is_changed_elsewhere;
    if (is_changed_elsewhere) {
      this.complain(`${name} was changed by another program, so it is not written until you read it again.`, "table");
    } else if (problem) {
      this.complain(`${problem}. Your answers are safe in ${name}.changes.jsonl.`, "table");
    } else if (conflicts.length) {
      const listed = conflicts.slice(0, 3).map(({ photo, label, found }) => `${photo}, ${label} (${WORDS[found]})`);
      const more = conflicts.length > listed.length ? ", and more" : "";
      this.complain(`${name} has other answers than you gave: ${listed.join("; ")}${more}. Those of ${name} were kept.`, "table");
    } else this.settle("table");
  }

  leftInWords() {
    const n = this.project.unlabeled().length;
    return n ? `${count(n, "photo")} left.` : "All photos are labeled.";
  }
}
