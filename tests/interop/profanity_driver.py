"""Drives profanity, a terminal client in C, inside tmux, with slixmpp at the other end: see README.md."""

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import checks
from checks import check, run, spec
from slixmpp import JID
from slixmpp_driver import Client

# The other driver's checks came along with its client.
checks.CHECKS.clear()

ACCOUNT = """[alice]
enabled=true
jid={jid}
server={host}
port={port}
resource=prof
password={password}
tls.policy=force
presence.login=online
"""

SETTINGS = """[connection]
carbons=true
[ui]
splash=false
[notifications]
message=off
[logging]
chlog=false
"""


class Profanity:
    """A profanity of its own: home folder, tmux server and all."""

    def __init__(self, where):
        self.folder = Path(tempfile.mkdtemp(prefix="whimbrel-profanity-"))
        self.tmux = ["tmux", "-L", f"whimbrel-{os.getpid()}", "-f", "/dev/null"]
        self.ca = where["ca"]
        account = where["users"]["alice"]
        self.write("data/profanity/accounts", ACCOUNT.format(**account, host=where["host"], port=where["port"]))
        self.write("config/profanity/profrc", SETTINGS)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self):
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "SSL_CERT_FILE": self.ca,
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        # The log tells why, should it end by itself.
        command = f"profanity --log DEBUG --account alice 2>{self.folder}/stderr; echo profanity ended; cat {self.folder}/stderr; sleep 600"
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "180", "-y", "50", command], check=True, env=environment)

    def screen(self):
        return subprocess.run([*self.tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout

    async def type(self, line):
        subprocess.run([*self.tmux, "send-keys", "-l", line], check=True)
        # Enter belongs to the line only when the line is there.
        await self.shows(line.split()[-1])
        subprocess.run([*self.tmux, "send-keys", "Enter"], check=True)

    async def shows(self, *texts):
        """Waits until the screen shows all of these; a terminal has no event for that."""
        async def wait():
            while True:
                screen = self.screen()
                if all(text in screen for text in texts):
                    return screen
                await asyncio.sleep(0.05)  # tidy: allow sleep, one step of a bounded poll
        try:
            return await asyncio.wait_for(wait(), 10)
        except asyncio.TimeoutError:
            shown = "\n".join(line.rstrip() for line in self.screen().splitlines() if line.strip())
            raise AssertionError(f"the screen does not show {texts} but\n{shown}") from None

    def stop(self):
        subprocess.run([*self.tmux, "kill-server"], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Show(checks.Stage):
    """slixmpp's bob, and alice in profanity."""

    def __init__(self, where):
        super().__init__(where, Client)
        self.profanity = Profanity(where)


@check
async def login(stage):
    stage.profanity.start()
    await stage.profanity.shows("logged in successfully", "[TLS]")


@check
async def chat_both_ways(stage):
    bob = await stage.on("bob")
    await stage.profanity.type(f"/msg {stage.jid('bob')} hello-from-profanity")
    message = await bob.text("hello-from-profanity")
    assert message["from"].bare == stage.jid("alice"), message
    bob.say(message["from"], "hello from slixmpp")
    await stage.profanity.shows("hello from slixmpp")


@check
async def roster_and_presence(stage):
    bob = await stage.on("bob")
    await stage.profanity.type("/win 1")
    await stage.profanity.type(f"/sub request {stage.jid('bob')}")
    await bob.event_named("presence_subscribe")
    bob.send_presence_subscription(pto=stage.jid("alice"), ptype="subscribed")
    bob.send_presence_subscription(pto=stage.jid("alice"), ptype="subscribe")
    await stage.profanity.type("/win 1")
    await stage.profanity.shows("Received authorization request from bob")
    await stage.profanity.type(f"/sub allow {stage.jid('bob')}")
    await bob.event_named("presence_available", lambda stanza: stanza["from"].bare == stage.jid("alice"))
    bob.send_presence(pshow="away", pstatus="gone-for-tea")
    await stage.profanity.shows("gone-for-tea")
    await stage.profanity.type('/status set away "writing-a-letter"')
    await bob.event_named("changed_status", lambda stanza: stanza["status"] == "writing-a-letter")


@check
async def carbons_of_what_another_device_sends(stage):
    bob = await stage.on("bob")
    alice = await stage.on("alice", "laptop")
    alice.say(stage.jid("bob"), "from my laptop")
    await bob.text("from my laptop")
    await stage.profanity.type(f"/msg {stage.jid('bob')}")
    await stage.profanity.shows("from my laptop")
    await alice.leave()
    stage.clients.pop(("alice", "laptop"))


@check
async def offline_messages_wait(stage):
    await stage.on("bob")
    await stage.off("bob")
    await stage.profanity.type(f"/msg {stage.jid('bob')} while-away-1")
    await stage.profanity.type(f"/msg {stage.jid('bob')} while-away-2")
    # The answer to a ping says that both were handled.
    await stage.profanity.type("/ping")
    await stage.profanity.type("/win 1")
    await stage.profanity.shows("Ping response from server")
    bob = await stage.on("bob")
    for number in (1, 2):
        message = await bob.event_named("message", lambda message: message["body"].startswith("while-away"))
        assert message["body"] == f"while-away-{number}", message


@check
async def devices_and_their_keys_are_found(stage):
    bob = await stage.on("bob")
    namespace = "eu.siacs.conversations.axolotl"
    bob.plugin["xep_0163"].add_interest(f"{namespace}.devicelist")
    await bob.plugin["xep_0115"].update_caps()
    await stage.profanity.type("/win 1")
    await stage.profanity.type("/omemo gen")
    await bob.event_named("pubsub_publish", lambda told: told["pubsub_event"]["items"]["node"] == f"{namespace}.devicelist")
    pubsub, own = bob.plugin["xep_0060"], JID(stage.jid("alice"))
    items = (await pubsub.get_items(own, f"{namespace}.devicelist"))["pubsub"]["items"]
    devices = [device.attrib["id"] for device in items.xml.iter(f"{{{namespace}}}device")]
    assert len(devices) == 1, items
    bundle = (await pubsub.get_items(own, f"{namespace}.bundles:{devices[0]}"))["pubsub"]["items"]
    assert list(bundle.xml.iter(f"{{{namespace}}}preKeyPublic")), bundle


@check
async def blocking(stage):
    bob = await stage.on("bob")
    await stage.profanity.type("/win 1")
    await stage.profanity.type(f"/blocked add {stage.jid('bob')}")
    await stage.profanity.type("/blocked")
    await stage.profanity.shows("Blocked users:")
    sent = bob.say(stage.jid("alice"), "can you hear me?")
    refused = await bob.event_named("message", lambda message: message["type"] == "error" and message["id"] == sent)
    assert refused["error"]["condition"] == "service-unavailable", refused
    await stage.profanity.type(f"/blocked remove {stage.jid('bob')}")
    await stage.profanity.type("/blocked")
    await stage.profanity.shows("No blocked users")


@check
async def logout(stage):
    await stage.profanity.type("/disconnect")
    await stage.profanity.shows("logged out successfully")


async def main():
    stage = Show(spec())
    try:
        return await run(stage)
    finally:
        await stage.off("bob")
        stage.profanity.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "--debug" in sys.argv else logging.CRITICAL)
    sys.exit(asyncio.run(main()))
