// Take photos with a camera of this device.

import { part } from "./dom.js";

const IDEAL_PX = 1920;
const QUALITY = 0.92;

/** @type {Record<string, string>} */
const REASONS = {
  NotAllowedError: "This page may not use the camera. Allow it in the settings of your browser for this page.",
  NotFoundError: "There is no camera.",
  NotReadableError: "The camera is used by another program.",
};

// Browsers give cameras only to pages of this machine and to pages that come over HTTPS.
export async function hasCamera() {
  try {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return devices.some(({ kind }) => kind === "videoinput");
  } catch {
    return false;
  }
}

export class Camera {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {(photo: File) => void} give
   */
  constructor(dialog, give) {
    this.dialog = dialog;
    this.give = give;
    /** @type {MediaStream | null} */
    this.stream = null; // while the camera is on
    this.nTaken = 0;
    this.video = part(dialog, "video");
    this.shutter = part(dialog, "button.shutter");
    this.shutter.onclick = () => this.take();
    part(dialog, "button.close").onclick = () => dialog.close();
    dialog.onclose = () => this.stop();
  }

  /** @param {string} text */
  say(text) {
    part(this.dialog, "p").textContent = text;
  }

  async open() {
    this.say("Waiting for the camera …");
    this.dialog.showModal();
    window.frameElement?.scrollIntoView({ block: "nearest" }); // of the labeling page
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment", width: { ideal: IDEAL_PX }, height: { ideal: IDEAL_PX } },
      });
      this.stop();
      this.stream = stream;
      if (!this.dialog.open) return this.stop(); // closed meanwhile
      this.video.srcObject = stream;
      await this.video.play();
    } catch (/** @type {any} */ error) {
      return this.say(REASONS[error.name] ?? `The camera does not work: ${error.message}`);
    }
    this.say("");
    this.shutter.disabled = false;
    this.shutter.focus();
  }

  // The dialog stays open for more photos.
  async take() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.video.videoWidth, this.video.videoHeight];
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    /** @type {Blob | null} */
    const content = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!content) return this.say("The photo could not be taken. Try again.");
    this.nTaken += 1;
    this.give(new File([content], `camera ${this.nTaken}.jpg`, { type: "image/jpeg" }));
    this.say(`Photo ${this.nTaken} is taken. Its labels are below this window.`);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = this.video.srcObject = null;
    this.shutter.disabled = true;
  }
}
