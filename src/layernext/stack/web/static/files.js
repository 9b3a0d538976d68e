// Files that somebody has dropped or chosen, with their names below the folder that they come from.

/** @typedef {{file: File, name: string}} Chosen */

const IMAGE_ENDINGS = /\.(jpe?g|png|webp|gif|bmp|tiff?|heic|heif|avif)$/i;

export const isAnnotations = ({ name }) => /\.json(\.gz|\.zst)?$/i.test(name);
export const isImage = ({ file, name }) => file.type.startsWith("image/") || IMAGE_ENDINGS.test(name);
const isHidden = (path) => path.split("/").some((part) => part.startsWith("."));

/** What an input of files has. Of a chosen folder, paths begin below it, as in the SDK. */
export function chosenFiles(input) {
  const found = Array.from(input.files, (file) => ({ file, name: file.webkitRelativePath.split("/").slice(1).join("/") || file.name }));
  input.value = ""; // so that the same file can be chosen again
  return found.filter((one) => !isHidden(one.name));
}

/** What was dropped, folders with all that is in them. The entries must be taken before anything is waited for. */
export function droppedFiles(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return Promise.resolve(Array.from(transfer.files, (file) => ({ file, name: file.name })));
  return gather(entries);
}

async function gather(entries) {
  const found = [];
  // One folder alone gives its name to nothing; of several, names could be the same.
  const isAlone = entries.length === 1;
  for (const entry of entries) await walk(entry, isAlone ? "" : `${entry.name}/`, found);
  return found;
}

async function walk(entry, inside, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, name: entry.name });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const child of some) {
      if (child.name.startsWith(".")) continue;
      if (child.isDirectory) await walk(child, `${inside}${child.name}/`, found);
      else found.push({ file: await new Promise((resolve, reject) => child.file(resolve, reject)), name: `${inside}${child.name}` });
    }
  }
}
