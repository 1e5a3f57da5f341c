/// The console's one script, for the one page whose figures are of now. It asks for the page again, and puts what it marks
/// as `data-live` in its place: whatever it shows was written, and escaped, by the host. No other page may run any.
enum FlowScript {
  static let path = "/flow.js"

  /// What the page's answer allows beyond the others': this script, and that it asks this host.
  static let contentPolicy = "\(Edge.contentPolicy); script-src 'self'; connect-src 'self'"

  static let text = """
    "use strict";
    (() => {
      const everyMs = 2000;
      const patienceMs = 10000;
      const stale = document.getElementById("stale");
      const hold = document.getElementById("hold");
      let isHeld = false;
      let isAsking = false;
      let shownAt = new Date();

      const parts = (page) => [...page.querySelectorAll("[data-live]")];
      const names = (page) => parts(page).map((part) => part.id).join(" ");

      function show(page) {
        // An instance came or the last one went: tables are there that were not.
        if (names(page) !== names(document)) return location.reload();
        for (const part of parts(document)) {
          const next = page.getElementById(part.id);
          if (next.innerHTML !== part.innerHTML) part.replaceChildren(...document.adoptNode(next).childNodes);
        }
        shownAt = new Date();
        stale.hidden = true;
        document.body.classList.remove("stale");
      }

      function tell(why) {
        const time = shownAt.toISOString().slice(11, 19);
        const text = `These figures are of ${time} UTC and stand still: ${why}`;
        if (stale.textContent !== text) stale.textContent = text;
        stale.hidden = false;
        document.body.classList.add("stale");
      }

      async function look() {
        // What somebody is marking, to copy it, stays.
        if (isHeld || isAsking || document.hidden || !getSelection().isCollapsed) return;
        isAsking = true;
        try {
          const answer = await fetch(location.href, {cache: "no-store", signal: AbortSignal.timeout(patienceMs)});
          if (answer.status === 401) tell("you are signed out. Ask for a new link: sluice user link NAME.");
          else if (!answer.ok) tell(`the host answers ${answer.status}. Reload the page to see why.`);
          else {
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            if (!isHeld) show(page);
          }
        } catch {
          tell("the host does not answer. It is asked again.");
        } finally {
          isAsking = false;
        }
      }

      hold.addEventListener("click", () => {
        isHeld = !isHeld;
        hold.textContent = isHeld ? "Go on" : "Hold still";
        look();
      });
      document.addEventListener("visibilitychange", look);
      hold.hidden = false;
      setInterval(look, everyMs);
    })();

    """
}
