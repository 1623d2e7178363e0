// The pictures that were added in this tab: what they are called, and where the server has them.
import { drop, dropBytes, keep, kept, keepBytes, keptBytes } from "./kept.js";

const MOST = 6;
const LARGEST = 4_000_000; // bytes of a picture that are kept here; a tab has room for some five million letters
const EXAMPLE = /\/examples\/([^/]+)$/;
const OWN = /\/uploads\/[0-9a-f]{64}\//;

const address = (path) => new URL(`gradio_api/file=${path}`, document.baseURI).href;

/** What a picture's control holds: note a picture that was added, and keep its bytes. */
export async function note(value) {
  const files = kept("files") ?? [];
  if (!value?.path || !OWN.test(value.path) || files.some(({ path }) => path === value.path)) return;
  const now = [...files, { path: value.path, name: value.orig_name || "a picture" }];
  while (now.length > MOST) dropBytes(now.shift().path);
  keep("files", now);
  const answer = await fetch(address(value.path));
  if (!answer.ok) return; // gone already; it will be asked for by its name
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes.length <= LARGEST) keepBytes(value.path, bytes);
}

/**
 * Bring back what the server no longer has.
 * @returns {Promise<Map<string, string|null>>} where each picture is by where it was; null for one that is gone
 */
export async function bringBack() {
  const moved = new Map(), files = [];
  for (const { path, name } of kept("files") ?? []) {
    const there = (await fetch(address(path), { method: "HEAD" })).ok ? path : await again(path, name);
    moved.set(path, there);
    if (there) files.push({ path: there, name });
  }
  keep("files", files);
  return moved;
}

async function again(path, name) {
  const bytes = keptBytes(path);
  dropBytes(path);
  if (!bytes) return null;
  const form = new FormData();
  form.append("files", new Blob([bytes]), name);
  const answer = await fetch(new URL("gradio_api/upload", document.baseURI), { method: "POST", body: form });
  if (!answer.ok) return null;
  const [now] = await answer.json();
  keepBytes(now, bytes);
  return now;
}

/**
 * A picture's control as it was, where the picture is now; null where it is gone.
 * @param {object} examples where this server has its examples, by their names
 */
export function placed(value, moved, examples) {
  const example = EXAMPLE.exec(value?.path ?? "");
  const path = example ? examples[example[1]] : moved.get(value?.path);
  return path ? { ...value, path, url: address(path) } : null;
}

/** What a picture of this tab is called. */
export function nameOf(path) {
  return (kept("files") ?? []).find((file) => file.path === path)?.name;
}

/** Forget which pictures there were. */
export function forgetFiles() {
  for (const { path } of kept("files") ?? []) dropBytes(path);
  drop("files");
}
