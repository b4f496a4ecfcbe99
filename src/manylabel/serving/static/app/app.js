// The labeling page: its views, the keyboard, and what other browsers changed.

import { reload, undo } from "./api.js";
import { GridView } from "./grid_view.js";
import { keyOf } from "./keys.js";
import { LabelView } from "./label_view.js";
import { Shell, byId } from "./shell.js";
import { TrainView } from "./train_view.js";
import { undoneInWords } from "./undone.js";
import { UseView } from "./use_view.js";

const SECONDS_BETWEEN_LOOKS = 2;
const SECONDS_WHILE_LEARNING = 0.3;

const shell = new Shell();
const { project } = shell;
const views = { label: new LabelView(shell), grid: new GridView(shell), train: new TrainView(shell), use: new UseView(shell) };
/** @typedef {keyof typeof views} Name of a view */
const NAMES = /** @type {Name[]} */ (Object.keys(views));

/**
 * The address tells the view: a reload stays in it, and the buttons of the browser go back and forth.
 *
 * @param {Name} name
 */
function open(name) {
  if (location.hash !== `#${name}`) history[shell.view ? "pushState" : "replaceState"](null, "", `#${name}`);
  shell.view = views[name];
  shell.say(""); // it was about another view
  for (const about of ["change", "photo"]) shell.settle(about);
  for (const dialog of [byId("keys"), byId("large")]) if (dialog.open) dialog.close();
  for (const other of NAMES) {
    byId(`${other}-view`).hidden = other !== name;
    byId(`open-${other}`).setAttribute("aria-pressed", String(other === name));
  }
  shell.view.begin();
  shell.show();
}

// In the view of one photo, the one that was changed back is shown again.
const goBack = () => {
  /** @type {import("./api.js").UndoResult} */
  let undone;
  shell.change(
    async (since) => (undone = await undo(since)).changed,
    () => {
      // Undone changes of labels are about no photo.
      const isOfPhotos = !(undone.renamed.length || undone.added.length || undone.removed.length);
      if (isOfPhotos && !undone.changed.names.length) {
        views.label.goBackTo(Object.keys(undone.answers).map((name) => project.names.indexOf(name)));
      }
      shell.say(undoneInWords(undone));
    },
  );
};

// The same photo is shown, or has the focus.
function switchGrid() {
  const next = shell.view === views.grid ? "label" : "grid";
  views[next].wanted = shell.view?.current();
  open(next);
}

const showKeys = () => (byId("keys").open ? byId("keys").close() : byId("keys").showModal());

/** @type {Record<string, () => void>} */
const ACTIONS = {
  "?": showKeys,
  u: goBack,
  g: switchGrid,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !shell.view) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const isTyping = target.matches("input:not([type=range]), select");
  if (isTyping && (event.key === "Escape" || (event.key === "Enter" && target.matches("select")))) target.blur();
  // Enter confirms, wherever a click on a label left the focus; Space is the key of a button.
  const isPressed = event.key === "Enter" && target.matches("button:not(.answer, #zoom), summary");
  if (isTyping || isPressed || (event.repeat && !event.key.startsWith("Arrow"))) return;
  const key = keyOf(event);
  if (byId("keys").open && key !== "?") return;
  if (byId("large").open && key !== "z") return;
  if (ACTIONS[key]) ACTIONS[key]();
  else if (!shell.view.keydown(key, event)) return;
  event.preventDefault();
});

/** @returns {Name} the view that the address tells */
const told = () => NAMES.find((name) => location.hash === `#${name}`) ?? "label";

shell.open = open;
addEventListener("popstate", () => shell.view && shell.view !== views[told()] && open(told()));
byId("undo").onclick = goBack;
byId("open-keys").onclick = byId("close-keys").onclick = showKeys;
for (const name of NAMES) byId(`open-${name}`).onclick = () => open(name);
byId("reload").onclick = () =>
  shell.change(reload);

let timer = 0;

/** @param {number} seconds */
function lookIn(seconds) {
  clearTimeout(timer);
  timer = setTimeout(follow, 1000 * seconds);
}

async function follow() {
  try {
    await shell.waiting;
    const shown = shell.view?.current();
    const { names } = project;
    if (await project.follow()) {
      if (project.names !== names) shell.view?.keep(shown);
      shell.show();
    } else shell.showTable(); // what is typed or open stays
    if (await project.followLearning()) shell.view?.showScores();
    shell.showLearning();
    shell.settle("server");
  } catch (/** @type {any} */ error) {
    shell.complain(error.message, "server");
  }
  lookIn(project.learning?.is_learning ? SECONDS_WHILE_LEARNING : SECONDS_BETWEEN_LOOKS);
}

async function begin() {
  try {
    await project.load();
  } catch (/** @type {any} */ error) {
    return shell.complain(error.message);
  }
  byId("views").hidden = false;
  open(told());
  if (told() !== "train") views.train.look(); // the button tells whether a model is being trained
  shell.lookSoon = () => lookIn(SECONDS_WHILE_LEARNING);
  follow();
}

begin();
