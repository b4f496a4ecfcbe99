// One label at a time over many photos. Only the tiles that are seen exist.

import { copyOf, part } from "../dom.js";
import { LARGE_PX, SMALL_PX, getSimilar, pictureOf, setAnswers } from "./api.js";
import { WORDS, byId, count, number, percent } from "./shell.js";
import { MS_TO_LOOK } from "./suggestions.js";

/**
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./shell.js").Shell} Shell
 */

const GAP_PX = 8;
const ROWS_BEYOND = 2; // lines of tiles above and below what is seen
const PAUSE_MS = 60; // pictures that only pass by are not loaded

/**
 * Remove a tile. Its picture is no longer asked for: those of tiles that have passed by would keep the seen ones waiting.
 *
 * @param {HTMLElement} tile
 */
function drop(tile) {
  part(tile, "img").removeAttribute("src");
  tile.remove();
}

export class GridView {
  /** @param {Shell} shell */
  constructor(shell) {
    this.shell = shell;
    this.project = shell.project;
    /** @type {number[]} */
    this.rows = []; // the photos of the grid, in their order; those that no longer fit the filter stay until it is set again
    this.columns = 1;
    /** @type {Map<number, HTMLElement>} */
    this.tiles = new Map(); // by place
    this.place = 0; // of the tile that has the focus, in the grid
    /** @type {number | null} */
    this.anchor = null; // place of the tile that was answered last
    /** @type {Set<number>} */
    this.suggested = new Set(); // photos that are shown as suggested
    this.hasScores = false;
    this.begun = -MS_TO_LOOK; // when suggestions appeared on photos that were shown already
    /** @type {number[]} */
    this.similar = []; // all photos, the most similar to one first
    /** @type {string | undefined} */
    this.wanted = undefined; // name of the photo that gets the focus
    /** @type {Record<string, () => void>} */
    this.actions = {
      ArrowLeft: () => this.focus(this.place - 1),
      ArrowRight: () => this.focus(this.place + 1),
      ArrowUp: () => this.focus(this.place - this.columns),
      ArrowDown: () => this.focus(this.place + this.columns),
      Home: () => this.focus(0),
      End: () => this.focus(this.rows.length - 1),
      "/": () => byId("grid-text").focus(),
      z: () => this.enlarge(),
    };
    byId("grid-label").onchange = byId("grid-state").onchange = byId("grid-part").onchange = () => this.choose();
    byId("grid-order").onchange = () => this.chooseOrder();
    byId("grid-text").oninput = () => this.choose();
    byId("grid-size").oninput = () => this.layOut();
    byId("close-large").onclick = () => byId("large").close();
    byId("rest").onclick = () => this.answerRest();
    byId("grid").onscroll = () => this.layOut();
    new ResizeObserver(() => this.layOut()).observe(byId("grid"));
  }

  get label() {
    return byId("grid-label").value;
  }

  current() {
    return this.project.names[this.rows[this.place]];
  }

  keep() {
    this.similar = [];
    this.begin();
  }

  begin() {
    this.showChoices();
    this.choose();
    const place = this.rows.indexOf(this.project.names.indexOf(this.wanted ?? ""));
    this.wanted = undefined;
    if (place > 0) this.focus(place);
  }

  // --- which photos ---

  choose() {
    const { project } = this;
    const [state, wanted, text] = [byId("grid-state").value, byId("grid-part").value, byId("grid-text").value.trim().toLowerCase()];
    this.rows = this.sorted().filter(
      (row) =>
        (wanted === "any" || project.part(row) === wanted) &&
        (state === "any" || (this.label && project.answer(row, this.label) === state)) &&
        project.names[row].toLowerCase().includes(text),
    );
    this.place = 0;
    this.anchor = null;
    byId("grid").scrollTop = 0;
    for (const tile of this.tiles.values()) drop(tile);
    this.tiles.clear();
    this.suggest();
    this.show();
  }

  // All photos in the order that was chosen; photos that nothing is known of come last.
  sorted() {
    const { project, label } = this;
    const rows = [...project.names.keys()];
    const order = byId("grid-order").value;
    if (order === "similar" && this.similar.length) {
      const known = new Set(this.similar);
      return [...this.similar, ...rows.filter((row) => !known.has(row))];
    }
    if (order !== "probable" && order !== "unsure") return rows;
    const worth = (/** @type {number} */ row) => {
      const probability = project.probability(row, label);
      if (probability === null) return -1;
      return order === "probable" ? probability : 1 - 2 * Math.abs(probability - 0.5);
    };
    const worths = rows.map(worth);
    return rows.sort((one, other) => worths[other] - worths[one]);
  }

  async chooseOrder() {
    const row = this.rows[this.place];
    if (byId("grid-order").value === "similar" && row !== undefined) {
      const name = this.project.names[row];
      try {
        this.similar = await getSimilar(row);
      } catch (/** @type {any} */ error) {
        return this.shell.complain(error.message);
      }
      this.shell.say(this.similar.length ? `Sorted by likeness to ${name}.` : `${name} cannot be compared yet.`);
    }
    this.choose();
  }

  // The order stays while photos are answered.
  showScores() {
    if (!this.hasScores) {
      this.suggest();
      if (this.hasScores) this.begun = performance.now();
    }
    this.show();
  }

  showChoices() {
    byId("grid-order").disabled = !this.project.learning;
    byId("grid-part-choice").hidden = !this.project.parts.length;
    if (!this.project.parts.length) byId("grid-part").value = "any";
    const [list, before] = [byId("grid-label"), this.label];
    list.replaceChildren(...this.project.labels.map((label) => new Option(label, label)));
    list.value = this.project.labels.includes(before) ? before : (this.project.labels[0] ?? "");
  }

  // --- answers ---

  /**
   * @param {number[]} rows
   * @param {(row: number) => Answer} choose
   * @param {{ only_unknown?: boolean }} [how]
   */
  answer(rows, choose, how = {}) {
    const { label, shell, project } = this;
    if (!label || !rows.length) return;
    shell.answer(
      (since) => setAnswers(since, Object.fromEntries(rows.map((row) => [row, { [label]: choose(row) }])), `grid of ${label}`, how),
      () => {
        const what = rows.length === 1 ? project.names[rows[0]] : count(rows.length, "photo");
        const answers = rows.map((row) => WORDS[project.answer(row, label)]);
        const counted = [...new Set(answers)].map((word) => `${number(answers.filter((other) => other === word).length)} ${word}`);
        shell.say(`${what}: ${label} ${counted.length === 1 ? answers[0] : counted.join(", ")}. Press U to undo.`);
      },
    );
  }

  /**
   * Whether a photo without an answer is shown as suggested.
   *
   * @param {number} row
   */
  isSuggested(row) {
    return this.suggested.has(row) && this.project.answer(row, this.label) === "unknown";
  }

  // Suggestions stay as they are while they are shown: what is confirmed has been seen.
  suggest() {
    this.hasScores = this.rows.some((row) => this.project.probability(row, this.label) !== null);
    this.suggested = new Set(this.rows.filter((row) => this.label && this.project.isSuggested(row, this.label)));
  }

  /**
   * With Shift, all tiles from the one that was answered last get its answer.
   *
   * @param {number} place
   * @param {boolean} isRange
   */
  toggle(place, isRange) {
    const { project, label, rows, anchor } = this;
    if (isRange && anchor !== null) {
      const [first, last] = [Math.min(anchor, place), Math.max(anchor, place)];
      if (project.answer(rows[anchor], label) === "unknown") return this.shell.say("Click a photo first: the last one has no answer any more.");
      this.answer(rows.slice(first, last + 1), () => project.answer(rows[anchor], label));
    } else if (!this.isToBeRead()) {
      const isShown = (/** @type {number} */ row) => project.answer(row, label) === "present" || this.isSuggested(row);
      this.answer([rows[place]], (row) => (isShown(row) ? "absent" : "present"));
    }
    this.anchor = place;
  }

  answerRest() {
    if (this.isToBeRead()) return;
    const suggested = new Set(this.unanswered().filter((row) => this.isSuggested(row)));
    this.answer(this.unanswered(), (row) => (suggested.has(row) ? "present" : "absent"), { only_unknown: true });
  }

  // Nobody can have looked at suggestions that have just appeared.
  isToBeRead() {
    const isNew = performance.now() - this.begun < MS_TO_LOOK;
    if (isNew) this.shell.say("Suggestions have just appeared. Look at them first.");
    return isNew;
  }

  unanswered() {
    return this.label ? this.rows.filter((row) => this.project.answer(row, this.label) === "unknown") : [];
  }

  // Show the photo in focus large, or no longer.
  enlarge() {
    const [dialog, row] = [byId("large"), this.rows[this.place]];
    if (dialog.open) return dialog.close();
    if (row === undefined) return;
    const name = this.project.names[row];
    const image = part(dialog, "img");
    image.removeAttribute("src"); // the photo before would stay until this one is there
    image.onerror = () => {
      if (image.hasAttribute("src")) part(dialog, "p").textContent = `${name} cannot be shown.`;
    };
    image.src = pictureOf(row, name, LARGE_PX);
    image.alt = name;
    part(dialog, "p").textContent = this.label ? `${name}. ${this.label}: ${WORDS[this.project.answer(row, this.label)]}` : name;
    dialog.showModal();
  }

  /** @param {string} key */
  keydown(key) {
    if (!this.actions[key]) return false;
    this.actions[key]();
    return true;
  }

  // --- what is seen ---

  show() {
    const { project } = this;
    const { label } = this;
    const listed = [...byId("grid-label").options].map((option) => option.value);
    if (listed.join("\n") !== project.labels.join("\n")) this.showChoices();
    if (this.label !== label) return this.choose();
    const rest = this.unanswered();
    const n = rest.filter((row) => this.isSuggested(row)).length;
    const suggested = n ? `“present” for ${number(n)} suggested, ` : "";
    byId("rest").disabled = rest.length === 0;
    byId("rest").textContent = rest.length ? `Answer ${suggested}“absent” for ${count(rest.length - n, "photo")}` : "No photo without an answer";
    byId("grid-count").textContent = this.label
      ? `${count(this.rows.length, "photo")} shown. “${this.label}” is present on ${count(project.count(this.label, "present"), "photo")} of all.`
      : "Add a label in the view of one photo first.";
    this.layOut();
  }

  layOut() {
    const grid = byId("grid");
    const side = Number(byId("grid-size").value);
    this.columns = Math.max(1, Math.floor((grid.clientWidth + GAP_PX) / (side + GAP_PX)));
    const width = (grid.clientWidth + GAP_PX) / this.columns - GAP_PX;
    const height = width * 0.75 + GAP_PX;
    byId("grid-space").style.height = `${Math.ceil(this.rows.length / this.columns) * height}px`;
    const first = Math.max(0, Math.floor(grid.scrollTop / height) - ROWS_BEYOND) * this.columns;
    const last = (Math.ceil((grid.scrollTop + grid.clientHeight) / height) + ROWS_BEYOND) * this.columns;
    const wanted = new Set();
    for (let place = first; place < Math.min(last, this.rows.length); place += 1) {
      wanted.add(place);
      const [x, y] = [(place % this.columns) * (width + GAP_PX), Math.floor(place / this.columns) * height];
      this.showTile(place, { transform: `translate(${x}px, ${y}px)`, width: `${width}px`, height: `${height - GAP_PX}px` });
    }
    for (const [place, tile] of this.tiles) {
      if (wanted.has(place)) continue;
      drop(tile);
      this.tiles.delete(place);
    }
  }

  /**
   * @param {number} place
   * @param {Partial<CSSStyleDeclaration>} style
   */
  showTile(place, style) {
    const { project, label } = this;
    const row = this.rows[place];
    const answer = label ? project.answer(row, label) : "unknown";
    const tile = this.tiles.get(place) ?? this.makeTile(place, row);
    Object.assign(tile.style, style);
    const probability = label ? project.probability(row, label) : null;
    const isSuggested = this.isSuggested(row);
    const state = isSuggested ? "suggested" : WORDS[answer];
    tile.className = `tile ${answer}${isSuggested ? " suggested" : ""}`;
    tile.style.setProperty("--probability", String(probability ?? 0));
    tile.tabIndex = place === this.place ? 0 : -1;
    tile.setAttribute("aria-pressed", { present: "true", absent: "false", unknown: "mixed" }[answer]);
    tile.setAttribute("aria-label", `${project.names[row]}: ${label} ${state}${probability === null ? "" : `, ${percent(probability)}`}`);
  }

  /**
   * @param {number} place
   * @param {number} row
   */
  makeTile(place, row) {
    const tile = copyOf(byId("tile"));
    tile.title = this.project.names[row];
    tile.onclick = (event) => {
      this.place = place;
      this.toggle(place, event.shiftKey);
    };
    this.tiles.set(place, tile);
    byId("grid-space").append(tile);
    setTimeout(() => {
      if (tile.isConnected) part(tile, "img").src = pictureOf(row, this.project.names[row], SMALL_PX);
    }, PAUSE_MS);
    return tile;
  }

  /** @param {number} place */
  focus(place) {
    if (place < 0 || place >= this.rows.length) return;
    this.place = place;
    const grid = byId("grid");
    const side = this.tiles.values().next().value?.offsetHeight ?? 0;
    const top = Math.floor(place / this.columns) * (side + GAP_PX);
    if (top < grid.scrollTop) grid.scrollTop = top;
    if (top + side > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + side - grid.clientHeight;
    this.layOut();
    this.tiles.get(place)?.focus();
  }
}
