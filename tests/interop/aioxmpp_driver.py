"""Drives aioxmpp, a second Python library with its own stack, against a server: see README.md."""

import asyncio
import logging
import sys

import aiosasl
import aioxmpp
import aioxmpp.carbons
import aioxmpp.connector
import aioxmpp.dispatcher
import aioxmpp.ibr
import aioxmpp.ping
import aioxmpp.roster
import aioxmpp.security_layer
import aioxmpp.vcard
import aioxmpp.version
from OpenSSL import SSL

import checks
from checks import Inbox, check, run, spec


def security(where, password):
    def context():
        made = SSL.Context(SSL.TLS_METHOD)
        made.load_verify_locations(where["ca"])
        return made

    return aioxmpp.security_layer.make(password, ssl_context_factory=context)


class Device:
    """One device of one account."""

    def __init__(self, where, jid, password, resource):
        self.jid = aioxmpp.JID.fromstr(f"{jid}/{resource}")
        self.inbox = Inbox(str(self.jid))
        self.client = aioxmpp.PresenceManagedClient(
            self.jid,
            security(where, password),
            override_peer=[(where["host"], where["port"], aioxmpp.connector.STARTTLSConnector())],
            max_initial_attempts=1,
        )
        messages = self.client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
        messages.register_callback(None, None, lambda message: self.inbox.put(("message", message)))
        self.presence = self.client.summon(aioxmpp.PresenceClient)
        self.presence.on_available.connect(lambda jid, stanza: self.inbox.put(("available", jid)) and None)
        self.presence.on_changed.connect(lambda jid, stanza: self.inbox.put(("changed", stanza)) and None)
        self.presence.on_unavailable.connect(lambda jid, stanza: self.inbox.put(("unavailable", jid)) and None)
        self.roster = self.client.summon(aioxmpp.RosterClient)
        self.roster.on_subscribe.connect(lambda stanza: self.inbox.put(("subscribe", stanza)) and None)
        self.carbons = self.client.summon(aioxmpp.carbons.CarbonsClient)
        self.blocking = self.client.summon(aioxmpp.BlockingClient)
        self.disco = self.client.summon(aioxmpp.DiscoClient)
        self.registration = self.client.summon(aioxmpp.ibr.RegistrationService)
        self.vcard = self.client.summon(aioxmpp.vcard.VCardService)
        self.client.on_stream_suspended.connect(lambda reason: self.inbox.put(("suspended", reason)) and None)
        self.client.on_stream_resumed.connect(lambda: self.inbox.put(("resumed", None)) and None)
        self.client.on_stream_established.connect(lambda: self.inbox.put(("established", None)) and None)
        self.client.on_failure.connect(lambda error: self.inbox.put(("failure", error)) and None)
        self.client.on_stopped.connect(lambda: self.inbox.put(("stopped", None)) and None)

    async def happens(self, name, fits=lambda value: True):
        return (await self.inbox.take(lambda item: item[0] == name and fits(item[1]), name))[1]

    async def text(self, body):
        return await self.happens("message", lambda message: message.body.any() == body if message.body else False)

    async def log_in(self):
        self.client.presence = aioxmpp.PresenceState(True)
        await self.happens("established")
        await self.ping()
        return self

    async def ping(self, to=None):
        """Waits until the server has handled what was sent before."""
        await aioxmpp.ping.ping(self.client, to or self.jid.replace(localpart=None, resource=None))

    def say(self, to, body, kind=aioxmpp.MessageType.CHAT):
        message = aioxmpp.Message(type_=kind, to=to)
        message.body[None] = body
        return self.client.enqueue(message)

    async def leave(self):
        if self.client.running:
            self.client.stop()
            await self.happens("stopped")


class Stage(checks.Stage):
    """aioxmpp wants its own kind of address."""

    def jid(self, user):
        return aioxmpp.JID.fromstr(super().jid(user))


@check
async def login(stage):
    alice = await stage.on("alice")
    assert alice.client.local_jid.bare() == stage.jid("alice"), alice.client.local_jid


@check
async def wrong_password_is_refused(stage):
    thief = Device(stage.where, str(stage.jid("alice")), "wrong", "thief")
    thief.client.presence = aioxmpp.PresenceState(True)
    error = await thief.happens("failure")
    assert isinstance(error, aiosasl.AuthenticationFailure), error


@check
async def chat_both_ways(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    alice.say(stage.jid("bob"), "hello bob")
    message = await bob.text("hello bob")
    assert message.from_ == alice.client.local_jid, message
    bob.say(message.from_, "hello alice ☕")
    await alice.text("hello alice ☕")


@check
async def roster_and_presence(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    alice.roster.subscribe(stage.jid("bob"))
    await bob.happens("subscribe")
    bob.roster.approve(stage.jid("alice"))
    bob.roster.subscribe(stage.jid("alice"))
    await alice.happens("subscribe")
    alice.roster.approve(stage.jid("bob"))
    await bob.happens("available", lambda jid: jid == alice.client.local_jid)
    await alice.happens("available", lambda jid: jid == bob.client.local_jid)
    await alice.ping()
    assert alice.roster.items[stage.jid("bob")].subscription == "both", alice.roster.items
    await alice.roster.set_entry(stage.jid("bob"), name="Bob", add_to_groups={"Friends"})
    await alice.ping()
    item = alice.roster.items[stage.jid("bob")]
    assert item.name == "Bob" and item.groups == {"Friends"}, item
    bob.client.set_presence(aioxmpp.PresenceState(True, aioxmpp.PresenceShow.AWAY), "tea")
    stanza = await alice.happens("changed", lambda stanza: stanza.show == aioxmpp.PresenceShow.AWAY)
    assert stanza.from_ == bob.client.local_jid and stanza.status.any() == "tea", stanza


@check
async def carbons_reach_every_device(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    phone = await stage.fresh("bob", "phone").log_in()
    await phone.carbons.enable()
    alice.say(bob.client.local_jid, "only to the desk")
    await bob.text("only to the desk")
    copy = await phone.happens("message", lambda message: message.xep0280_received is not None)
    assert copy.xep0280_received.stanza.body.any() == "only to the desk", copy
    bob.say(stage.jid("alice"), "from the desk")
    await alice.text("from the desk")
    copy = await phone.happens("message", lambda message: message.xep0280_sent is not None)
    assert copy.xep0280_sent.stanza.body.any() == "from the desk", copy
    await phone.leave()


@check
async def offline_messages_wait_in_order(stage):
    alice = await stage.on("alice")
    await stage.on("bob")
    await stage.off("bob")
    for number in range(5):
        alice.say(stage.jid("bob"), f"while away {number}")
    await alice.ping()
    bob = await stage.on("bob")
    for number in range(5):
        message = await bob.happens("message", lambda message: message.body.any().startswith("while away"))
        assert message.body.any() == f"while away {number}", message
        assert message.xep0203_delay, message


@check
async def resumption_after_a_cut_connection(stage):
    alice = await stage.on("alice")
    bob = await stage.fresh("bob", "train").log_in()
    before = bob.client.local_jid
    assert bob.client.stream.sm_enabled, "stream management is not on"
    # As a network failure: the transport goes, and nobody says goodbye.
    bob.client.stream._xmlstream.abort()
    await bob.happens("suspended")
    for number in range(5):
        alice.say(before, f"in the tunnel {number}")
    await alice.ping()
    await bob.happens("resumed")
    assert bob.client.local_jid == before, bob.client.local_jid
    for number in range(5):
        message = await bob.happens("message", lambda message: message.body.any().startswith("in the tunnel"))
        assert message.body.any() == f"in the tunnel {number}", message
    bob.say(stage.jid("alice"), "through the tunnel")
    await alice.text("through the tunnel")
    await bob.ping()
    bob.inbox.none(lambda item: item[0] == "message" and item[1].body.any().startswith("in the tunnel"), "a message twice")
    await bob.leave()


@check
async def sent_messages_are_acknowledged(stage):
    alice = await stage.on("alice")
    token = alice.say(stage.jid("bob"), "count me")
    await token
    for _ in range(100):
        if token.state == aioxmpp.stream.StanzaState.ACKED:
            return
        await alice.ping()
    raise AssertionError(f"never acknowledged: {token.state}")


@check
async def blocking(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    await alice.blocking.block_jids([stage.jid("bob")])
    await alice.ping()
    assert alice.blocking.blocklist == frozenset([stage.jid("bob")]), alice.blocking.blocklist
    bob.say(stage.jid("alice"), "can you hear me?")
    refused = await bob.happens("message", lambda message: message.type_ == aioxmpp.MessageType.ERROR)
    assert refused.error.condition == aioxmpp.ErrorCondition.SERVICE_UNAVAILABLE, refused
    await alice.blocking.unblock_jids([stage.jid("bob")])
    bob.say(stage.jid("alice"), "and now?")
    await alice.text("and now?")


@check
async def server_answers_questions(stage):
    alice = await stage.on("alice")
    domain = alice.jid.replace(localpart=None, resource=None)
    features = (await alice.disco.query_info(domain)).features
    for feature in ("urn:xmpp:carbons:2", "urn:xmpp:blocking", "urn:xmpp:ping"):
        assert feature in features, (feature, features)
    version = await aioxmpp.version.query_version(alice.client.stream, domain)
    assert version.name, version


@check
async def password_change(stage):
    bob = await stage.on("bob")
    await bob.registration.change_pass("a new secret")
    await stage.off("bob")
    old = stage.fresh("bob", "old")
    old.client.presence = aioxmpp.PresenceState(True)
    await old.happens("failure")
    stage.where["users"]["bob"]["password"] = "a new secret"
    await stage.on("bob")


async def main():
    stage = Stage(spec(), Device)
    code = await run(stage)
    for user in ("alice", "bob"):
        await stage.off(user)
    return code


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "--debug" in sys.argv else logging.CRITICAL)
    sys.exit(asyncio.run(main()))
