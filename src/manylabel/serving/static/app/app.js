// The labeling page: its views, the keyboard, and what other browsers changed.

import { getLabels, reload, undo } from "./api.js";
import { GridView } from "./grid_view.js";
import { LabelView } from "./label_view.js";
import { Shell, byId } from "./shell.js";

const SECONDS_BETWEEN_LOOKS = 2;

const shell = new Shell();
const { project } = shell;
const views = { label: new LabelView(shell), grid: new GridView(shell) };

function open(name) {
  shell.view = views[name];
  for (const other of Object.keys(views)) {
    byId(`${other}-view`).hidden = other !== name;
    byId(`open-${other}`).setAttribute("aria-pressed", String(other === name));
  }
  shell.view.begin();
  shell.show();
}

// In the view of one photo, the one that was changed back is shown again.
const goBack = () =>
  shell.change(
    async () => {
      const changed = await undo();
      const [first] = Object.keys(changed.answers);
      if (first !== undefined && changed.labels.length === project.labels.length) views.label.row = Number(first);
      return changed;
    },
    () => shell.say("Undone."),
  );

const ACTIONS = {
  u: goBack,
  g: () => open(shell.view === views.grid ? "label" : "grid"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !shell.view) return;
  const isTyping = event.target.matches("input:not([type=range]), select");
  if (event.key === "Escape" && isTyping) event.target.blur();
  if (isTyping || (event.key === "Enter" && event.target.matches("button, summary"))) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (ACTIONS[key]) ACTIONS[key]();
  else if (!shell.view.keydown(key, event)) return;
  event.preventDefault();
});

byId("undo").onclick = goBack;
for (const name of Object.keys(views)) byId(`open-${name}`).onclick = () => open(name);
byId("reload").onclick = () =>
  shell.change(async () => {
    await reload();
    return getLabels(); // photos, too, may be others
  });

async function follow() {
  try {
    if (await project.follow()) shell.show();
    else shell.showTable(); // what is typed or open stays
  } catch (error) {
    shell.complain(error.message);
  }
  setTimeout(follow, 1000 * SECONDS_BETWEEN_LOOKS);
}

async function begin() {
  try {
    await project.load();
  } catch (error) {
    return shell.complain(error.message);
  }
  byId("views").hidden = false;
  open("label");
  setTimeout(follow, 1000 * SECONDS_BETWEEN_LOOKS);
}

begin();
