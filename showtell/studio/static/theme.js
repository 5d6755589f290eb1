// Applies the reader's choice of theme before the first paint; without a choice the system's preference holds (style.css).
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    chosen = null; // storage can be switched off; the page then follows the system
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
