// Which key was pressed, on any keyboard.

const SIGNS = ["+", "/", "?"]; // some keyboards have them on the row of digits, with Shift

/**
 * Return the key that the page knows. Digits are told by where they are: some keyboards need Shift for them, and Shift turns
 * those of others into signs. So are letters of other scripts.
 *
 * @param {Pick<KeyboardEvent, "key" | "code" | "shiftKey">} event
 */
export function keyOf({ key, code, shiftKey }) {
  const digit = /^Digit(\d)$/.exec(code)?.[1];
  if (digit && !(shiftKey && SIGNS.includes(key))) return digit;
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  if (letter && /^\p{L}$/u.test(key) && !/^\p{Script=Latin}$/u.test(key)) return letter.toLowerCase();
  return key.length === 1 ? key.toLowerCase() : key;
}
