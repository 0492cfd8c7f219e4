// Drives Converse.js, a web client, in headless Chromium: see README.md beside this file.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";

const modules = process.env.XMPP_MODULES;
const require = createRequire(join(modules, "driver.js"));
const { chromium } = require("playwright-core");

const where = JSON.parse(process.argv[2]);
const DEADLINE_MS = 30_000;
const DIST = join(modules, "converse.js", "dist");
const TYPES = { ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml" };

// What Converse is told; the rest comes from the address bar.
const PAGE = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Converse</title>
<link rel="stylesheet" href="/dist/converse.min.css"></head>
<body class="converse-fullscreen"><script type="module">
import converse from "/dist/converse.min.js";
const asked = new URLSearchParams(location.search);
converse.plugins.add("driver", { initialize() { window.driver = this._converse; } });
converse.initialize({
  view_mode: "fullscreen", i18n: "en", assets_path: "/dist/", whitelisted_plugins: ["driver"],
  authentication: "login", auto_login: true, jid: asked.get("jid"), password: asked.get("password"),
  discover_connection_methods: false, keepalive: false, persistent_store: "sessionStorage",
  websocket_url: asked.get("websocket") ?? undefined, bosh_service_url: asked.get("bosh") ?? undefined,
  allow_non_roster_messaging: true, auto_reconnect: false, play_sounds: false, show_desktop_notifications: false,
  clear_cache_on_logout: true, loglevel: "warn",
});
</script></body></html>`;

// 48 by 48 dots of one colour.
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAADAAAAAwCAIAAADYYG7QAAAAO0lEQVR42u3OMQ0AAAgDsElBCv4vJOGCcDSpgGa6XomQkJCQkJCQ" +
  "kJCQkJCQkJCQkJCQkJCQkJCQ0J0FT0mwlx4o7hsAAAAASUVORK5CYII=", "base64");

const pages = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  const file = join(DIST, path.replace(/^\/dist\//, ""));
  if (path === "/") {
    response.setHeader("content-type", "text/html; charset=utf-8").end(PAGE);
  } else if (path.startsWith("/dist/") && existsSync(file)) {
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(response);
  } else {
    response.writeHead(404).end();
  }
});
await new Promise((listening) => pages.listen(0, "127.0.0.1", listening));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
});

// One person in a browser of their own.
class Person {
  constructor(user, transport) {
    this.jid = where.users[user].jid;
    this.password = where.users[user].password;
    this.transport = transport;
    this.log = [];
    this.sockets = [];
    this.requests = [];
  }

  async logIn() {
    // The server's certificate is its own: the other drivers check it.
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1200, height: 800 } });
    this.page = await context.newPage();
    this.page.setDefaultTimeout(DEADLINE_MS);
    this.page.on("console", (message) => this.log.push(`${message.type()}: ${message.text()}`));
    this.page.on("pageerror", (error) => this.log.push(`error: ${error}`));
    this.page.on("websocket", (socket) => this.sockets.push(socket.url()));
    this.page.on("request", (request) => request.method() === "POST" && this.requests.push(request.url()));
    const asked = new URLSearchParams({ jid: this.jid, password: this.password });
    asked.set(this.transport, where[this.transport]);
    await this.page.goto(`http://127.0.0.1:${pages.address().port}/?${asked}`);
    await this.page.waitForFunction(() => window.driver?.api.connection.connected() && window.driver.bare_jid);
    await this.page.waitForFunction(() => window.driver.api.connection.get().authenticated);
    return this;
  }

  // Opens the chat as a click on the contact would.
  async openChat(with_jid) {
    await this.page.evaluate((jid) => window.driver.api.chats.open(jid, {}, true), with_jid);
    await this.page.locator("textarea.chat-textarea").waitFor();
  }

  async say(text) {
    const input = this.page.locator("textarea.chat-textarea");
    await input.fill(text);
    await input.press("Enter");
    await this.sees(text);
  }

  sees(text) {
    return this.page.locator(".chat-msg__text", { hasText: text }).first().waitFor();
  }

  // As the button for a file does, which opens a window of the system's.
  async sendPicture(name) {
    await this.page.locator("input.fileupload").setInputFiles({ name, mimeType: "image/png", buffer: PICTURE });
  }

  // What counts is that the browser has read it.
  async seesPicture(name) {
    const seen = (part) => [...document.querySelectorAll(".chat-msg img")]
      .some((image) => image.src.includes(part) && image.naturalWidth === 48);
    await this.page.waitForFunction(seen, name);
  }

  async photograph(name) {
    if (process.env.SHOTS) await this.page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
  }

  async leave() {
    await this.page?.context().close();
  }
}

function same(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${actual} where ${expected} was expected`);
}

async function chat(transport) {
  const [alice, bob] = [new Person("alice", transport), new Person("bob", transport)];
  try {
    await Promise.all([alice.logIn(), bob.logIn()]);
    if (transport === "websocket") same(alice.sockets[0], where.websocket, "the WebSocket");
    else same(alice.requests.includes(where.bosh) && alice.sockets.length === 0, true, "requests over BOSH alone");
    await alice.openChat(bob.jid);
    await bob.openChat(alice.jid);
    await alice.say(`hello bob, by ${transport}`);
    await bob.sees(`hello bob, by ${transport}`);
    await bob.say(`hello alice ☕, by ${transport}`);
    await alice.sees(`hello alice ☕, by ${transport}`);
    await alice.sendPicture(`by-${transport}.png`);
    await Promise.all([alice.seesPicture(`by-${transport}.png`), bob.seesPicture(`by-${transport}.png`)]);
    await bob.photograph(`converse-${transport}`);
  } catch (error) {
    await alice.photograph(`converse-${transport}-failed`);
    console.error([...alice.log.slice(-20), ...bob.log.slice(-20)].join("\n"));
    throw error;
  } finally {
    await Promise.all([alice.leave(), bob.leave()]);
  }
}

let failed = 0;
for (const transport of ["websocket", "bosh"]) {
  try {
    await chat(transport);
    console.log(`ok chat-and-picture-by-${transport}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL chat-and-picture-by-${transport} ${String(error).replaceAll(/\s+/g, " ")}`);
    console.error(error);
  }
}
await browser.close();
pages.close();
process.exit(failed ? 1 : 0);
