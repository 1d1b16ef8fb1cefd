// A scheduled task's form: the chosen crontab in words, below its menu.
(() => {
  const words = JSON.parse(document.getElementById("readable-crontabs").textContent);
  const menu = document.getElementById("id_crontab");
  if (!menu) return;
  const line = document.createElement("p");
  line.className = "console-note";
  (menu.closest(".field-crontab") ?? menu.parentElement).append(line);
  const show = () => {
    line.textContent = words[menu.value] ?? "";
  };
  django.jQuery(menu).on("change", show);
  show();
})();
