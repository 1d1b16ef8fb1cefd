// The form of a credit note: adds up the amounts that are typed, in whole cents, and chooses them once there are any.
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("[data-credit-lines]");
  if (!box) return;
  const inputs = [...box.querySelectorAll("input")];
  const sum = box.querySelector("output");
  const what = document.querySelector("select[name=what]");

  // Null for what is no amount yet.
  const cents = (text) => {
    const found = /^(\d+)(?:\.(\d{1,2}))?$/.exec(text.trim());
    return found ? BigInt(found[1]) * 100n + BigInt((found[2] || "").padEnd(2, "0")) : null;
  };
  const usd = (amount) => `$${(amount / 100n).toLocaleString("en-US")}.${String(amount % 100n).padStart(2, "0")}`;

  const show = () => {
    const given = inputs.map((input) => cents(input.value)).filter((amount) => amount !== null && amount > 0n);
    const total = given.reduce((left, right) => left + right, 0n);
    sum.textContent = given.length ? `${usd(total)} on ${given.length} line${given.length === 1 ? "" : "s"}.` : "No amount is given.";
    return given.length;
  };

  box.addEventListener("input", () => {
    if (show() && what) what.value = "lines";
  });
  show();
});
