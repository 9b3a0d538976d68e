// The sign-in page: a form, or a link whose token stands behind the # and so is in no log.

import { ask } from "./api.js";
import { find, pageData, sentence } from "./dom.js";

const form = find("#sign-in");
const problem = find("#problem");
const button = form.querySelector("[type=submit]");

async function signIn(body) {
  button.disabled = true;
  button.textContent = "Signing in…";
  problem.hidden = true;
  try {
    await ask("/sign-in", { method: "POST", body });
    location.replace(pageData().next);
  } catch (error) {
    problem.textContent = sentence(error);
    problem.hidden = false;
    button.disabled = false;
    button.textContent = "Sign in";
    form.elements[body.token ? "api_key" : "secret"].focus();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn({ api_key: form.elements.api_key.value, secret: form.elements.secret.value });
});

const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  signIn({ token });
} else {
  form.elements.api_key.focus();
}
