// Sets the chosen theme before the first paint; console.js changes it.
"use strict";
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("scimlite-theme");
  } catch {
    // Storage is blocked: the theme of the system stays.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
