// Find the parts of a page by selectors, with their types.

/**
 * The element that a selector finds: that of its tag, if it begins with one, as "img.layer" does.
 *
 * @template {string} Selector
 * @typedef {Selector extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Selector]
 *   : Selector extends `${infer Tag extends keyof HTMLElementTagNameMap}.${string}` ? HTMLElementTagNameMap[Tag]
 *   : HTMLElement} Found
 */

/**
 * The page has an element with each id that it looks for, and of that type.
 *
 * @template Elements
 * @typedef {<Id extends keyof Elements & string>(id: Id) => Elements[Id]} ById
 */

/**
 * Return the first element within another one; it has to be there.
 *
 * @template {string} Selector
 * @param {ParentNode} root
 * @param {Selector} selector
 */
export const part = (root, selector) => /** @type {Found<Selector>} */ (root.querySelector(selector));

/**
 * Show another page in a frame, without a new entry in the history of the browser.
 *
 * @param {HTMLIFrameElement} frame of this page
 * @param {string} address
 */
export const showInFrame = (frame, address) =>
  /** @type {Window} */ (frame.contentWindow).location.replace(new URL(address, location.href));

/** @param {HTMLTemplateElement} template */
export const copyOf = (template) => /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
