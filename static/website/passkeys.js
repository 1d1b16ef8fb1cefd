/* What a person reads when their browser or their passkey does not work. */
(() => {
  "use strict";

  const CANCELLED = new Set(["NotAllowedError", "AbortError"]);

  function wordsFor(error, origin) {
    if (location.origin !== origin) return `Passkeys do not work at this address. Open ${origin} instead.`;
    if (!window.PublicKeyCredential) return "This browser has no passkeys. Choose another way.";
    if (error && CANCELLED.has(error.name)) return "No passkey was used. Try again, or choose another way.";
    if (error && error.name === "InvalidStateError") return "This device has a passkey for your account already.";
    return "The passkey did not work. Try again, or choose another way.";
  }

  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    const trouble = document.getElementById("passkey-trouble");
    trouble.textContent = wordsFor(event.detail.exception, trouble.dataset.origin);
    trouble.hidden = false;
    trouble.scrollIntoView({ block: "nearest" });
  });
})();
