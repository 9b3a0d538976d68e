// Frames of videos: an image that is named as one, and has no file, is shown from the video itself.

import { localUrl } from "./annotation_list.js";
import { ask } from "./api.js";
import { quoted } from "./links.js";

const FRAME = /^(.+)#frame=(\d{1,9})$/s;

/**
 * Where the picture of an image is, if it is a frame of a video that the stack has and that this key may read. If
 * several videos have the name, the one in a collection with the same name as the image's counts.
 * @param {{name: string, has_file: boolean, collection: string}} item as the API has it
 * @returns {Promise<{url: string, seconds: number, width: number, height: number} | null>}
 */
export async function findFrame(item, signal) {
  const [, name, number] = FRAME.exec(item.name) ?? [];
  if (name === undefined || item.has_file) return null;
  const query = { query: `name = ${quoted(name)}`, type: "video", limit: 50 };
  const { items } = await ask("/api/v1/items", { query, signal });
  const usable = items.filter((video) => video.url && video.frame_rate && video.width);
  const near = usable.filter((video) => video.collection === item.collection);
  const [video, ...others] = near.length ? near : usable;
  if (!video || others.length) return null;
  // The middle of the frame: its beginning is rounded into the one before by some players.
  return { url: localUrl(video.url), seconds: (Number(number) + 0.5) / video.frame_rate, width: video.width, height: video.height };
}

/** An element that shows one frame of a video, and does not play. */
export function framePicture({ url, seconds }, onfailure) {
  const video = document.createElement("video");
  Object.assign(video, { src: url, muted: true, preload: "auto", playsInline: true });
  video.setAttribute("aria-hidden", "true");
  video.addEventListener("loadedmetadata", () => { video.currentTime = seconds; }, { once: true });
  video.addEventListener("error", () => { video.hidden = true; onfailure(); });
  return video;
}
