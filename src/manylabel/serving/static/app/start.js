// The start page: which photos to label.

import { choosePhotos } from "./api.js";

/**
 * What the page looks up by id.
 *
 * @typedef {object} Elements
 * @property {HTMLElement} alert
 * @property {HTMLInputElement} folder
 * @property {HTMLFormElement} folder-form
 * @property {HTMLButtonElement} sample
 * @property {HTMLElement} status
 */

/** @type {import("../dom.js").ById<Elements>} */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const buttons = document.querySelectorAll("button");

/**
 * Without a folder: the sample set.
 *
 * @param {string | null} folder
 */
async function choose(folder) {
  byId("alert").hidden = true;
  byId("status").textContent = "Opening the photos …";
  for (const button of buttons) button.disabled = true;
  try {
    await choosePhotos(folder);
    location.reload();
    return;
  } catch (/** @type {any} */ error) {
    if (error.status === 404) return location.reload(); // photos were chosen in another window
    byId("status").textContent = "";
    byId("alert").hidden = false;
    byId("alert").textContent = error.message;
  }
  for (const button of buttons) button.disabled = false;
  if (folder !== null) byId("folder").focus();
}

byId("sample").onclick = () => choose(null);
byId("folder-form").onsubmit = (event) => {
  event.preventDefault();
  choose(byId("folder").value);
};
