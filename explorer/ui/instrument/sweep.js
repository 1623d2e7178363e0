/** Start the component. */
export function mount(element) {
  element.querySelector(".sweep-root").textContent = "";
}
