// Says in words when the connection to the server is lost, which Streamlit opens again by itself.
(() => {
  const bar = document.createElement("div");
  bar.id = "server-lost";
  bar.setAttribute("role", "status");
  bar.textContent = "The dashboard's server does not answer: it was stopped, or the network is down. "
    + "This page comes back by itself once it answers again.";
  bar.style.cssText = "position:fixed;left:0;right:0;bottom:0;z-index:999999;padding:0.8rem 1.2rem;"
    + "background:#8a4b00;color:#fff;font:0.95rem sans-serif;text-align:center";
  // Streamlit's own dialog asks about the internet, which has nothing to do with it.
  const style = document.createElement("style");
  style.textContent = "body:has(#server-lost) > div:has([role=dialog]) { display: none }";
  document.head.append(style);
  let timer, leaving = false;
  addEventListener("pagehide", () => (leaving = true));
  const Native = WebSocket;
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener("open", () => { clearTimeout(timer); timer = 0; bar.remove(); });
      this.addEventListener("close", () => {
        // A short gap is no loss: the connection is opened again within it.
        timer ||= setTimeout(() => leaving || document.body.append(bar), 1500);
      });
    }
  };
})();

// Makes every choice a step of the browser's history, so that the back button takes it back: Streamlit overwrites the
// address. Changes of one choice in a row, as of a slider, are one step.
(() => {
  const replace = history.replaceState, push = history.pushState;
  let last, chosen = -Infinity;
  addEventListener("popstate", () => (last = undefined));
  const values = (address, name) => address.searchParams.getAll(name).join("\n");
  history.replaceState = function (state, title, url) {
    // Streamlit gives a whole address where a person chose, and a path where it repeats what the server said.
    if (/^https?:/.test(url)) {
      const before = new URL(location.href), after = new URL(url);
      const names = [...new Set([...before.searchParams.keys(), ...after.searchParams.keys()])];
      const choice = [after.pathname, ...names.filter(name => values(before, name) !== values(after, name))].join("\n");
      if (choice !== last) {
        last = choice;
        chosen = performance.now();
        return push.call(history, state, title, url);
      }
    }
    return replace.call(history, state, title, url);
  };
  history.pushState = function (state, title, url) {
    // The server takes out of the address what does not belong to a new choice: that is no step of its own.
    const same = new URL(url, location.href).pathname === location.pathname;
    const answers = same && performance.now() - chosen < 1500;
    last = undefined;
    chosen = -Infinity;
    return (answers ? replace : push).call(history, state, title, url);
  };
})();
