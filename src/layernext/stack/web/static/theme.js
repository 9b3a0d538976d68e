// Before anything is shown: the colors that were chosen here, if not the system's. A plain script, as
// modules run too late for that.
"use strict";
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("layernext-theme");
  } catch {
    // Storage is switched off; then the system decides.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
