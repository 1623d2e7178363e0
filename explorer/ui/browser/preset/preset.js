// The examples, chosen by their pictures: the one explained, and in its corner what it is compared with.
import { el, write } from "../instrument/dom.js";

/**
 * Start the component. Its value is the key of the chosen example, or null; triggers `chosen` when another is pressed.
 * Props from Python: `examples` ([{key, question, title, image, reference, caption}]) and `pictures` (data URLs by name).
 */
export function mount(element, props, trigger, watch) {
  const title = el("span", { class: "chosen-title" });
  const buttons = props.examples.map((example) => thumbnail(example, props.pictures, () => choose(example.key)));
  const choose = (key) => {
    const again = key === props.value;
    props.value = key;
    draw();
    if (!again) trigger("chosen", {});
  };
  const draw = () => {
    const chosen = props.examples.find(({ key }) => key === props.value);
    write(title, chosen ? `${chosen.question}: ${chosen.title}` : "");
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(props.examples[i] === chosen)));
  };
  element.querySelector(".preset-root").append(
    el("fieldset", { "data-control": "preset" }, el("legend", {}, "Start from an example "),
      el("div", { class: "thumbnails" }, ...buttons), title),
  );
  watch("value", draw);
  draw();
}

function thumbnail({ question, title, image, reference, caption }, pictures, onclick) {
  const compared = reference ? el("img", { class: "compared", src: pictures[reference], alt: "" })
    : el("span", { class: "compared", "aria-hidden": "true" }, `“${caption}”`);
  const name = `${question}: ${title}`;
  return el("button", { type: "button", title: name, "aria-label": name, onclick },
    el("img", { class: "explained", src: pictures[image], alt: "" }), compared);
}
