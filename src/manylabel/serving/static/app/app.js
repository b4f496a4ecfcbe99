// The labeling page: one photo, a button per label, the keyboard.

import { changeLabels, getLabels, pictureOf, reload, setAnswers, undo } from "./api.js";
import { Project } from "./project.js";

const LARGE_PX = 1600;
const FEW_LABELS = 8;
const SECONDS_BETWEEN_LOOKS = 2;
const KEYS = [..."1234567890abcdefghijklmopqrtvwxy"]; // n, s, u and z do something else
const WORDS = { present: "present", absent: "absent", unknown: "not answered" };

const byId = (id) => document.getElementById(id);
const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

const project = new Project();
let row = 0; // the photo that is shown
let past = []; // photos shown before it

function say(text) {
  byId("status").textContent = text;
}

function complain(text) {
  byId("alert").hidden = !text;
  byId("alert").textContent = text;
}

// --- one change at a time ---

let isBusy = false;

async function change(request, after = () => {}) {
  if (isBusy) return;
  isBusy = true;
  try {
    project.take(await request());
    complain("");
    after();
    show();
  } catch (error) {
    complain(error.message);
  } finally {
    isBusy = false;
  }
}

const queue = () => byId("queue").value;
const answerFor = (answers, after) => change(() => setAnswers({ [row]: answers }, queue()), after);

function toggle(label, isUnknown) {
  const before = project.answer(row, label);
  const answer = isUnknown ? "unknown" : before === "present" ? "absent" : "present";
  answerFor({ [label]: answer }, () => say(`${label}: ${WORDS[answer]}`));
}

// Give every label without an answer, or every label, the answer "absent", and go on.
function confirm(isNone) {
  if (!project.labels.length) return byId("new-label").focus();
  const open = project.labels.filter((label) => isNone || project.answer(row, label) === "unknown");
  const before = row;
  answerFor(Object.fromEntries(open.map((label) => [label, "absent"])), () => {
    const present = project.labels.filter((label) => project.answer(before, label) === "present");
    goOn(1);
    say(`${project.names[before]}: ${present.join(", ") || "none of the labels"}. ${leftInWords()}`);
  });
}

function leftInWords() {
  const n = project.unlabeled().length;
  return n ? `${count(n, "photo")} left.` : "All photos are labeled.";
}

// --- moving ---

function rowsOfQueue() {
  return queue() === "all" ? [...project.names.keys()] : project.unlabeled();
}

function goTo(wanted) {
  if (wanted === undefined) return;
  past.push(row);
  row = wanted;
}

// The next photo of the queue in the order of the folder, from the start again behind the last.
function goOn(step) {
  const rows = rowsOfQueue().filter((other) => other !== row);
  if (step > 0) goTo(rows.find((other) => other > row) ?? rows[0]);
  else row = past.pop() ?? rows.findLast((other) => other < row) ?? rows.at(-1) ?? row;
}

function move(step) {
  goOn(step);
  show();
  say(`${project.names[row]}, photo ${row + 1} of ${project.names.length}`);
}

// --- what is seen ---

function show() {
  const isDone = queue() === "unlabeled" && project.labels.length > 0 && !project.unlabeled().length;
  byId("start").hidden = project.labels.length > 0;
  byId("done").hidden = !isDone;
  showTable();
  const image = byId("photo");
  const address = pictureOf(row, LARGE_PX);
  if (!image.src.endsWith(address)) {
    image.src = address;
    byId("zoom").setAttribute("aria-pressed", "false");
  }
  image.alt = project.names[row];
  byId("name").textContent = project.names[row];
  byId("position").textContent = `${row + 1} of ${project.names.length}. ${leftInWords()}`;
  showLabels();
}

function showTable() {
  const { name, given, is_saved, is_changed_elsewhere, problem, conflicts } = project.table;
  const beside = given === name ? "" : ` ${given} is not changed.`;
  byId("table").textContent = `${is_saved ? "Saved in" : "Saving to"} ${name}.${beside}`;
  byId("reload").hidden = !is_changed_elsewhere;
  if (is_changed_elsewhere) complain(`${name} was changed by another program, so it is not written until you read it again.`);
  else if (problem) complain(`${problem}. Confirmed labels are kept beside it.`);
  else if (conflicts.length) {
    const listed = conflicts.slice(0, 3).map(({ photo, label, found }) => `${photo}, ${label}: ${found}`);
    complain(`${name} says otherwise than ${count(conflicts.length, "change")} made here; it was kept: ${listed.join("; ")}`);
  }
}

function showLabels() {
  document.querySelector(".filter").hidden = project.labels.length <= FEW_LABELS;
  const wanted = byId("filter").value.trim().toLowerCase();
  const list = byId("labels");
  const focused = document.activeElement?.closest("#labels") ? document.activeElement.dataset.label : null;
  list.replaceChildren(
    ...project.labels
      .map((label, index) => [label, KEYS[index] ?? ""])
      .filter(([label]) => label.toLowerCase().includes(wanted))
      .map(([label, key]) => rowOf(label, key)),
  );
  if (focused !== null) [...list.querySelectorAll(".answer")].find((button) => button.dataset.label === focused)?.focus();
}

function rowOf(label, key) {
  const item = byId("label-row").content.firstElementChild.cloneNode(true);
  const answer = project.answer(row, label);
  const button = item.querySelector(".answer");
  button.dataset.label = label;
  button.classList.add(answer);
  button.setAttribute("aria-pressed", { present: "true", absent: "false", unknown: "mixed" }[answer]);
  button.setAttribute("aria-label", `${label}: ${WORDS[answer]}`);
  item.querySelector("kbd").textContent = key;
  item.querySelector(".label-name").textContent = label;
  item.querySelector(".state").textContent = WORDS[answer];
  button.onclick = (event) => toggle(label, event.shiftKey);
  const details = item.querySelector("details");
  details.querySelector("summary").setAttribute("aria-label", `Change the label ${label}`);
  details.ontoggle = () => details.open && showDetails(details, label);
  return item;
}

function showDetails(details, label) {
  const n = project.count(label, "present");
  const input = details.querySelector("input");
  input.value = label;
  details.querySelector(".hint").textContent = `On ${count(n, "photo")}. The name of another label merges both.`;
  details.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    const to = input.value.trim();
    const kind = project.labels.includes(to) ? "merge" : "rename";
    if (to !== label) change(() => changeLabels(kind, label, to), () => say(`${label} is now ${to}. U undoes it.`));
  };
  details.querySelector(".remove").onclick = () =>
    change(() => changeLabels("remove", label), () => say(`${label} was removed from ${count(n, "photo")}. U undoes it.`));
}

// --- the keyboard ---

function zoom() {
  const button = byId("zoom");
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
}

// The photo that was changed back is shown again.
const goBack = () =>
  change(
    async () => {
      const changed = await undo();
      const [first] = Object.keys(changed.answers);
      if (first !== undefined && changed.labels.length === project.labels.length) row = Number(first);
      return changed;
    },
    () => say("Undone."),
  );

const ACTIONS = {
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  Enter: () => confirm(false),
  n: () => confirm(true),
  s: () => move(1),
  u: goBack,
  z: zoom,
  "/": () => document.querySelector(".filter").hidden || byId("filter").focus(),
  "+": () => byId("new-label").focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input, select");
  if (event.key === "Escape" && isTyping) event.target.blur();
  if (isTyping || (event.key === "Enter" && event.target.matches("button, summary"))) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const digit = /^Digit(\d)$/.exec(event.code)?.[1]; // Shift turns digits into signs
  const label = project.labels[KEYS.indexOf(event.shiftKey && digit ? digit : key)];
  if (ACTIONS[key]) ACTIONS[key]();
  else if (label !== undefined) toggle(label, event.shiftKey);
  else return;
  event.preventDefault();
});

byId("confirm").onclick = () => confirm(false);
byId("none").onclick = () => confirm(true);
byId("skip").onclick = byId("next").onclick = () => move(1);
byId("previous").onclick = () => move(-1);
byId("undo").onclick = goBack;
byId("zoom").onclick = zoom;
byId("filter").oninput = showLabels;
byId("filter").onkeydown = (event) => {
  const first = byId("labels").querySelector(".answer");
  if (event.key !== "Enter" || !first) return;
  const { label } = first.dataset;
  byId("filter").value = "";
  byId("filter").blur();
  toggle(label, event.shiftKey);
};
byId("queue").onchange = () => {
  if (queue() === "unlabeled" && project.isLabeled(row)) goOn(1);
  show();
};
byId("add").onsubmit = (event) => {
  event.preventDefault();
  const name = byId("new-label").value;
  change(() => changeLabels("add", name), () => {
    byId("new-label").value = "";
    say(`${name} was added.`);
  });
};
byId("photo").onerror = async () => {
  const response = await fetch(pictureOf(row, LARGE_PX));
  if (response.ok) return;
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  complain(`${project.names[row]} cannot be shown: ${detail}. S skips it.`);
};
byId("reload").onclick = () =>
  change(async () => {
    await reload();
    return getLabels(); // photos, too, may be others
  });

// Other browsers may change labels, too.
async function follow() {
  try {
    if (await project.follow()) show();
    else showTable(); // what is typed or open stays
  } catch (error) {
    complain(error.message);
  }
  setTimeout(follow, 1000 * SECONDS_BETWEEN_LOOKS);
}

async function begin() {
  try {
    await project.load();
  } catch (error) {
    byId("work").hidden = true;
    return complain(error.message);
  }
  row = project.unlabeled()[0] ?? 0;
  show();
  if (!project.labels.length) byId("new-label").focus();
  setTimeout(follow, 1000 * SECONDS_BETWEEN_LOOKS);
}

begin();
