// What every page has: the switch of colours, the menu of who is signed in, the help.

import { signOut } from "./api.js";
import { sentence, toast } from "./dom.js";
import { showHelp } from "./keys.js";

const THEMES = ["system", "light", "dark"];
const root = document.documentElement;
const theme = () => root.dataset.theme ?? "system";
const switcher = document.getElementById("theme-switch");

function nameTheme() {
  const text = theme() === "system" ? "as the system has them" : theme();
  switcher.setAttribute("aria-label", `Colours: ${text}`);
  switcher.title = `Colours: ${text}`;
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

const account = document.getElementById("account-button");
if (account) {
  const panel = document.getElementById("account-menu");
  const show = (isOpen) => {
    panel.hidden = !isOpen;
    account.setAttribute("aria-expanded", String(isOpen));
  };
  account.addEventListener("click", () => show(panel.hidden));
  document.addEventListener("click", (event) => {
    if (!panel.hidden && !event.target.closest(".menu")) show(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    show(false);
    account.focus();
  });
  document.getElementById("sign-out").addEventListener("click", async () => {
    try {
      await signOut();
      location.assign("/sign-in");
    } catch (error) {
      toast(sentence(error));
    }
  });
}
