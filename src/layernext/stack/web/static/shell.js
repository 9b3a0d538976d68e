// What every page has: the switch of colors, the menu of who is signed in, the help.

import { signOut } from "./api.js";
import { sentence, toast } from "./dom.js";
import { showHelp } from "./keys.js";

const THEMES = ["system", "light", "dark"];
const root = document.documentElement;
const theme = () => root.dataset.theme ?? "system";
const switcher = document.getElementById("theme-switch");

function nameTheme() {
  const text = theme() === "system" ? "system" : theme();
  switcher.setAttribute("aria-label", `Colors: ${text}`);
  switcher.title = `Colors: ${text}`;
}

switcher.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "system") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem("layernext-theme");
    else localStorage.setItem("layernext-theme", next);
  } catch {
    // Then it is for this page only.
  }
  nameTheme();
  document.dispatchEvent(new Event("themechange"));
});
nameTheme();

document.getElementById("help-button").addEventListener("click", showHelp);

/** A button that shows and hides a panel; Escape and a click elsewhere hide it. */
function disclose(button, panel, show) {
  const isOpen = () => button.getAttribute("aria-expanded") === "true";
  const set = (open) => {
    show(open);
    button.setAttribute("aria-expanded", String(open));
  };
  button.addEventListener("click", () => set(!isOpen()));
  document.addEventListener("click", (event) => {
    if (isOpen() && !panel.contains(event.target) && !button.contains(event.target)) set(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isOpen()) return;
    set(false);
    button.focus();
  });
}

const account = document.getElementById("account-button");
if (account) {
  const nav = document.getElementById("nav");
  disclose(document.getElementById("nav-button"), nav, (isOpen) => nav.classList.toggle("open", isOpen));
  const panel = document.getElementById("account-menu");
  disclose(account, panel, (isOpen) => (panel.hidden = !isOpen));
  document.getElementById("sign-out").addEventListener("click", async () => {
    try {
      await signOut();
      location.assign("/sign-in");
    } catch (error) {
      toast(sentence(error));
    }
  });
}
