"""Whoever comes back to the gallery finds it where they left it."""

from __future__ import annotations

import streamlit as st

# The page is scrolled inside one element, which Streamlit keeps from page to page. While the page is still drawn it may
# be too short, so the place is looked for again for some seconds; until it is found, nothing new is noted.
_SCRIPT = """
<script>
  (() => {
    const main = document.querySelector("[data-testid=stMain]"), name = "gallery-place";
    const here = () => document.querySelector(".st-key-moving-box");
    const wanted = Number(sessionStorage.getItem(name) ?? 0), begun = Date.now();
    let ready = false;
    const look = setInterval(() => {
      if (!here() || Date.now() - begun > 6000) return stop();
      main.scrollTop = wanted;
      if (Math.abs(main.scrollTop - wanted) < 2) stop();
    }, 100);
    function stop() { clearInterval(look); ready = true; }
    for (const kind of ["wheel", "touchstart", "keydown"]) main.addEventListener(kind, stop, { once: true });
    main.addEventListener("scroll", function note() {
      if (!here()) return main.removeEventListener("scroll", note);
      if (ready) sessionStorage.setItem(name, main.scrollTop);
    });
  })();
</script>
"""


def keep() -> None:
    """Note how far the page is scrolled, and scroll it so when it is opened again; call it at the page's end."""
    st.html(_SCRIPT, unsafe_allow_javascript=True)
