// A set-up link carries its code behind the #, which browsers do not send. Take it, clean the address and go on.
const code = new URLSearchParams(location.hash.slice(1)).get("setup");
if (code) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("setup").value = code;
  document.getElementById("setup-form").submit();
}
