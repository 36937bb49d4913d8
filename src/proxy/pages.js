// Keeps the page of all instances true while it is looked at. What had the focus and what was opened stays so.
(() => {
  "use strict";
  const main = document.querySelector("main");
  let before = main.innerHTML;
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/instances", { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const now = await answer.text();
      if (now === before) return;
      before = now;
      const opened = [...main.querySelectorAll("details[open]")].map((one) => one.id);
      const focused = document.activeElement && document.activeElement.id;
      main.innerHTML = now;
      for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
      if (focused) document.getElementById(focused)?.focus();
    } catch {
      // The proxy is away; the next look may find it.
    }
  };
  setInterval(look, 2000);
  document.addEventListener("visibilitychange", look);
})();
