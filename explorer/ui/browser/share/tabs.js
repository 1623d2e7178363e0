// The tab at hand stands behind the # of the address, so that F5 keeps it and Back leads from it.

/** Follow the tabs (their names, the first is the one that needs no name), and Back and Forward between them. */
export function followTabs(tabs) {
  addEventListener("tab-opened", ({ detail: tab }) => {
    document.documentElement.dataset.tab = tab; // for what the style shows beside the tabs
    const hash = tab === tabs[0] ? "" : `#${tab}`;
    const asked = navigator.userActivation?.hasBeenActive ?? true; // Gradio opens the first by itself
    if (asked && hash !== location.hash) history.pushState(null, "", `${location.pathname}${location.search}${hash}`);
  });
  addEventListener("popstate", () => openTab(location.hash.slice(1), tabs));
  if (location.hash) openTab(location.hash.slice(1), tabs);
}

/** Open a tab by its name; any other name is the first's. What the page's link hides stays shut. */
export function openTab(name, tabs) {
  const tab = tabs.includes(name) ? name : tabs[0];
  const query = new URLSearchParams(location.search), away = `${query.get("hide")},${query.get("lock")}`.split(",");
  const button = document.getElementById(`${tab}-tab-button`);
  if (!away.includes(tab) && button?.getAttribute("aria-selected") !== "true") button?.click();
}
