// Drives xmpp.js, a JavaScript client library, against a server: see README.md beside this file.

import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";

// Node 18 has it, but not under the name that the library looks for.
globalThis.crypto ??= webcrypto;

const require = createRequire(join(process.env.XMPP_MODULES, "driver.js"));
const { client, xml } = require("@xmpp/client");

const where = JSON.parse(process.argv[2]);
const WEBSOCKET = process.env.XMPP_TRANSPORT === "websocket";
const DEADLINE_MS = 20_000;
const checks = [];
const check = (name, run) => checks.push([name, run]);

function within(promise, what, ms = DEADLINE_MS / 2) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited for ${what()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// One device of one account: what happened to it in order, and who waits for what.
class Device {
  constructor(user, resource, password = where.users[user].password) {
    const [username] = where.users[user].jid.split("@");
    this.events = [];
    this.waiting = [];
    this.xmpp = client({
      service: WEBSOCKET ? where.websocket : `xmpp://${where.host}:${where.port}`,
      domain: where.domain,
      username,
      password,
      resource,
    });
    this.xmpp.on("stanza", (stanza) => this.put("stanza", stanza));
    this.xmpp.on("online", (jid) => this.put("online", jid));
    this.xmpp.on("error", (error) => this.put("error", error));
    this.xmpp.on("disconnect", () => this.put("disconnect"));
    this.xmpp.on("nonza", (nonza) => this.put(`nonza ${nonza.name}`, nonza));
  }

  put(name, value) {
    const event = { name, value };
    const found = this.waiting.findIndex((waiter) => waiter.name === name && waiter.fits(value));
    if (found >= 0) this.waiting.splice(found, 1)[0].resolve(value);
    else this.events.push(event);
  }

  happens(name, fits = () => true, what = name) {
    const found = this.events.findIndex((event) => event.name === name && fits(event.value));
    if (found >= 0) return Promise.resolve(this.events.splice(found, 1)[0].value);
    const waiter = { name, fits };
    const promise = new Promise((resolve) => (waiter.resolve = resolve));
    this.waiting.push(waiter);
    const last = () => this.events.slice(-5).map((event) => `${event.name} ${event.value ?? ""}`).join("; ");
    return within(promise, () => `${what}; last came ${last()}`);
  }

  stanza(fits, what) {
    return this.happens("stanza", fits, what);
  }

  text(body) {
    return this.stanza((s) => s.is("message") && s.getChildText("body") === body, `"${body}"`);
  }

  async logIn({ presence = true } = {}) {
    const started = this.xmpp.start();
    started.catch(() => {});
    await within(started, () => "going online");
    this.jid = this.xmpp.jid.toString();
    if (presence) {
      await this.ask(xml("iq", { type: "get" }, xml("query", "jabber:iq:roster")));
      await this.xmpp.send(xml("presence"));
      await this.stanza((s) => s.is("presence") && s.attrs.from === this.jid, "its own presence");
      await this.ping();
    }
    return this;
  }

  ask(iq) {
    return this.xmpp.iqCaller.request(iq, DEADLINE_MS / 2);
  }

  // Answered only after all that was sent before was handled.
  ping() {
    return this.ask(xml("iq", { type: "get", to: where.domain }, xml("ping", "urn:xmpp:ping")));
  }

  say(to, body, attributes = {}) {
    return this.xmpp.send(xml("message", { to, type: "chat", id: `m${Math.random()}`, ...attributes }, xml("body", {}, body)));
  }

  // A lost network: the socket is gone and nobody said goodbye.
  cut() {
    const socket = this.xmpp.socket.socket ?? this.xmpp.socket;
    WEBSOCKET ? socket.terminate() : socket.destroy();
    return this.happens("disconnect");
  }

  leave() {
    return within(this.xmpp.stop(), () => "going offline").catch(() => {});
  }
}

const devices = new Map();
async function on(user) {
  if (!devices.has(user)) devices.set(user, await new Device(user, "desk").logIn());
  return devices.get(user);
}
async function off(user) {
  await devices.get(user)?.leave();
  devices.delete(user);
}
const bare = (user) => where.users[user].jid;
function same(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${actual} where ${expected} was expected`);
}

check("login", async () => {
  const alice = await on("alice");
  same(alice.jid, `${bare("alice")}/desk`, "jid");
  if (WEBSOCKET) same(alice.xmpp.socket.url, where.websocket, "address");
  else same(alice.xmpp.socket.socket?.encrypted, true, "encrypted");
});

check("wrong-password-is-refused", async () => {
  const thief = new Device("alice", "thief", "wrong");
  thief.xmpp.reconnect.stop();
  const error = await thief.xmpp.start().then(() => null, (reason) => reason);
  same(error?.condition, "not-authorized", "condition");
  await thief.leave();
});

check("chat-both-ways", async () => {
  const [alice, bob] = [await on("alice"), await on("bob")];
  await alice.say(bare("bob"), "hello bob");
  const message = await bob.text("hello bob");
  same(message.attrs.from, alice.jid, "from");
  await bob.say(message.attrs.from, "hello alice ☕");
  await alice.text("hello alice ☕");
});

check("roster-and-presence", async () => {
  const [alice, bob] = [await on("alice"), await on("bob")];
  const presence = (device, to, type) => device.xmpp.send(xml("presence", { to, type }));
  const subscribe = (s) => s.is("presence") && s.attrs.type === "subscribe";
  await presence(alice, bare("bob"), "subscribe");
  await bob.stanza(subscribe, "a request");
  await presence(bob, bare("alice"), "subscribed");
  await presence(bob, bare("alice"), "subscribe");
  await alice.stanza(subscribe, "a request");
  await presence(alice, bare("bob"), "subscribed");
  await alice.stanza((s) => s.is("presence") && s.attrs.from === bob.jid && !s.attrs.type, "bob's presence");
  await bob.stanza((s) => s.is("presence") && s.attrs.from === alice.jid && !s.attrs.type, "alice's presence");
  const roster = await alice.ask(xml("iq", { type: "get" }, xml("query", "jabber:iq:roster")));
  same(roster.getChild("query").getChild("item").attrs.subscription, "both", "subscription");
  await bob.xmpp.send(xml("presence", {}, xml("show", {}, "away")));
  await alice.stanza((s) => s.is("presence") && s.getChildText("show") === "away", "a change");
});

check("carbons-reach-every-device", async () => {
  const [alice, bob] = [await on("alice"), await on("bob")];
  const phone = await new Device("bob", "phone").logIn();
  await phone.ask(xml("iq", { type: "set" }, xml("enable", "urn:xmpp:carbons:2")));
  const copied = (kind, body) => (s) =>
    s.getChild(kind, "urn:xmpp:carbons:2")?.getChild("forwarded", "urn:xmpp:forward:0")?.getChild("message")?.getChildText("body") === body;
  await alice.say(bob.jid, "only to the desk");
  await bob.text("only to the desk");
  await phone.stanza(copied("received", "only to the desk"), "a copy");
  await bob.say(bare("alice"), "from the desk");
  await alice.text("from the desk");
  await phone.stanza(copied("sent", "from the desk"), "a copy");
  await phone.leave();
});

check("offline-messages-wait-in-order", async () => {
  const alice = await on("alice");
  await on("bob");
  await off("bob");
  for (let number = 0; number < 5; number += 1) await alice.say(bare("bob"), `while away ${number}`);
  await alice.ping();
  const bob = await on("bob");
  for (let number = 0; number < 5; number += 1) {
    const message = await bob.stanza((s) => s.getChildText("body")?.startsWith("while away"), "a kept message");
    same(message.getChildText("body"), `while away ${number}`, "order");
    same(Boolean(message.getChild("delay", "urn:xmpp:delay")), true, "delay");
  }
});

check("archive-is-paged", async () => {
  const [alice, bob] = [await on("alice"), await on("bob")];
  for (let number = 0; number < 25; number += 1) await alice.say(bare("bob"), `page ${number}`);
  await bob.text("page 24");
  const found = [];
  let after = null;
  for (let page = 0; page < 20; page += 1) {
    const query = xml("query", { xmlns: "urn:xmpp:mam:2", queryid: `p${page}` },
      xml("set", "http://jabber.org/protocol/rsm", xml("max", {}, "10"), after && xml("after", {}, after)));
    const done = await bob.ask(xml("iq", { type: "set" }, query));
    for (const event of bob.events.splice(0)) {
      const result = event.value?.getChild?.("result", "urn:xmpp:mam:2");
      if (result?.attrs.queryid === `p${page}`) found.push(result.getChild("forwarded").getChild("message").getChildText("body"));
    }
    const fin = done.getChild("fin", "urn:xmpp:mam:2");
    after = fin.getChild("set").getChildText("last");
    if (fin.attrs.complete === "true") break;
  }
  const pages = found.filter((body) => body?.startsWith("page "));
  same(pages.join(), Array.from({ length: 25 }, (_, number) => `page ${number}`).join(), "pages");
});

check("resumption-after-a-cut-connection", async () => {
  const alice = await on("alice");
  const bob = await new Device("bob", "train").logIn();
  same(bob.xmpp.streamManagement.enabled, true, "stream management");
  const before = bob.jid;
  await bob.cut();
  for (let number = 0; number < 5; number += 1) await alice.say(before, `in the tunnel ${number}`);
  await alice.ping();
  await bob.happens("nonza resumed");
  for (let number = 0; number < 5; number += 1) {
    const message = await bob.stanza((s) => s.getChildText("body")?.startsWith("in the tunnel"), "a message");
    same(message.getChildText("body"), `in the tunnel ${number}`, "order");
  }
  await bob.say(bare("alice"), "through the tunnel");
  const message = await alice.text("through the tunnel");
  same(message.attrs.from, before, "from");
  await bob.ping();
  const twice = bob.events.filter((event) => event.value?.getChildText?.("body")?.startsWith("in the tunnel"));
  same(twice.length, 0, "messages twice");
  await bob.leave();
});

check("blocking", async () => {
  const [alice, bob] = [await on("alice"), await on("bob")];
  const item = xml("item", { jid: bare("bob") });
  await alice.ask(xml("iq", { type: "set" }, xml("block", "urn:xmpp:blocking", item)));
  const list = await alice.ask(xml("iq", { type: "get" }, xml("blocklist", "urn:xmpp:blocking")));
  same(list.getChild("blocklist").getChild("item").attrs.jid, bare("bob"), "blocked");
  await bob.say(bare("alice"), "can you hear me?");
  const refused = await bob.stanza((s) => s.is("message") && s.attrs.type === "error", "a refusal");
  same(Boolean(refused.getChild("error").getChild("service-unavailable")), true, "condition");
  await alice.ask(xml("iq", { type: "set" }, xml("unblock", "urn:xmpp:blocking", item)));
  await bob.say(bare("alice"), "and now?");
  await alice.text("and now?");
});

check("password-change", async () => {
  const bob = await on("bob");
  const [username] = bare("bob").split("@");
  await bob.ask(xml("iq", { type: "set", to: where.domain },
    xml("query", "jabber:iq:register", xml("username", {}, username), xml("password", {}, "a new secret"))));
  await off("bob");
  const old = new Device("bob", "old");
  old.xmpp.reconnect.stop();
  const error = await old.xmpp.start().then(() => null, (reason) => reason);
  same(error?.condition, "not-authorized", "condition");
  await old.leave();
  where.users.bob.password = "a new secret";
  await on("bob");
});

let failed = 0;
for (const [name, run] of checks) {
  try {
    await within(run(), () => "the check's end", DEADLINE_MS);
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name} ${String(error).replaceAll(/\s+/g, " ")}`);
    console.error(error);
  }
}
await Promise.all([off("alice"), off("bob")]);
process.exit(failed ? 1 : 0);
