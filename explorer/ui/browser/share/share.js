// The Share tab's own parts: a config.json read in the browser, so that no file is kept on the server, and large text.
import { el } from "../instrument/dom.js";

/**
 * Start the component. Triggers `loaded` with the file's text.
 * Props from Python: `most`, how many bytes a config.json has at most.
 */
export function mount(element, props, trigger) {
  const file = el("input", { type: "file", id: "config-file", accept: ".json,application/json" });
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    const text = await chosen.slice(0, props.most + 1).text(); // one too many, for Python to refuse
    file.value = ""; // so that the same file can be chosen again
    trigger("loaded", { text });
  });
  const page = document.documentElement.classList;
  const large = el("input", { type: "checkbox", id: "large-text", checked: page.contains("projector") });
  large.addEventListener("change", () => page.toggle("projector", large.checked));
  element.querySelector(".share-root").append(
    el("p", {}, el("label", { for: "config-file" }, "Load a config.json "), file,
      el("small", {}, "From an export: sets every control and shows, or runs, that result.")),
    el("p", {}, el("label", {}, large, " Large text on this page, for a projector")),
  );
}
