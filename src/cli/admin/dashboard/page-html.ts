/** The dashboard's markup: what stands before the first numbers come. */

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cg fill='%230a7d55'%3E%3Crect x='1' y='2' width='14' height='3' rx='1.5'/%3E%3Crect x='1' y='11' width='14' height='3' rx='1.5'/%3E%3C/g%3E%3Crect x='1' y='6.5' width='14' height='3' rx='1.5' fill='%23b45309'/%3E%3C/svg%3E";

/** @param style and `script` go in as they are: their hashes are in the policy */
export function makeHtml(style: string, script: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>poold</title>
<link rel="icon" href="${ICON}">
<style>${style}</style>
</head>
<body>
<header>
  <h1>poold <span id="role"></span></h1>
  <p id="facts"></p>
  <p id="state" role="status" data-state="connecting">connecting</p>
</header>
<main>
  <form id="login" hidden>
    <label for="token">This address wants its admin token</label>
    <input type="text" autocomplete="username" value="poold" hidden>
    <input id="token" type="password" autocomplete="current-password" required>
    <button>Show the numbers</button>
  </form>
  <div id="tunnels"></div>
  <section id="notes" class="card" hidden>
    <h2>Events</h2>
    <ol id="note-list"></ol>
  </section>
</main>
<noscript>The dashboard needs JavaScript. The same numbers are at /status and /metrics.</noscript>
<script>${script}</script>
</body>
</html>
`;
}
