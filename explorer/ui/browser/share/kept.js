// What this tab keeps of itself for when it is loaded anew: by F5, or by Gradio after a lost connection or a restart.
// Session storage goes with the tab, and no other tab reads it; where it is full or forbidden, the page works without.

const PREFIX = `distance-explorer ${new URL(".", document.baseURI).pathname} `;
const BYTES = "bytes ";

/** Keep a text; returns whether it could be. What was kept under the name before goes in any case. */
function put(name, text) {
  try {
    sessionStorage.removeItem(PREFIX + name);
    sessionStorage.setItem(PREFIX + name, text);
    return true;
  } catch {
    return false;
  }
}

function get(name) {
  try {
    return sessionStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keep a value. The pictures' own bytes make room for it: they are only there for a server that was restarted. */
export function keep(name, value) {
  const text = JSON.stringify(value);
  if (!put(name, text)) {
    for (const { path } of kept("files") ?? []) drop(BYTES + path);
    put(name, text);
  }
}

/** What was kept under a name, or null. */
export function kept(name) {
  return JSON.parse(get(name));
}

/** Forget it. */
export function drop(name) {
  try {
    sessionStorage.removeItem(PREFIX + name);
  } catch {
    // then nothing is kept either
  }
}

/** Keep a picture's bytes, each as one letter, where there is room for them. */
export function keepBytes(path, bytes) {
  const pieces = [];
  for (let i = 0; i < bytes.length; i += 8192) pieces.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
  put(BYTES + path, pieces.join(""));
}

export function keptBytes(path) {
  const text = get(BYTES + path);
  return text && Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

export function dropBytes(path) {
  drop(BYTES + path);
}

/** Whether this page is one that was loaded anew: it has the address that it wrote itself. A link followed here has another. */
export const RETURNING = kept("search") === location.search && kept("result") !== null;
