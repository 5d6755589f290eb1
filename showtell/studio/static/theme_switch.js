// @ts-check
/** The button that goes from light to dark and back; the choice is remembered, theme.js applies it at the next visit. */

/** @param {HTMLButtonElement} button */
export function themeSwitch(button) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const label = () => (button.textContent = isDark() ? "Light" : "Dark");
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // the choice then lasts for this visit only
    }
    label();
  });
  system.addEventListener("change", label);
  label();
}
