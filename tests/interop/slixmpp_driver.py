"""Drives slixmpp, a Python client library, against a server: see README.md beside this file."""

import asyncio
import logging
import sys
from pathlib import Path
from xml.etree import ElementTree

import slixmpp
from slixmpp.exceptions import IqError

from checks import Inbox, Stage, check, run, spec

PLUGINS = ("xep_0030", "xep_0012", "xep_0049", "xep_0054", "xep_0060", "xep_0077", "xep_0084", "xep_0115", "xep_0163", "xep_0172", "xep_0092", "xep_0184", "xep_0191", "xep_0198",
           "xep_0199", "xep_0202", "xep_0203", "xep_0280", "xep_0297", "xep_0313", "xep_0352", "xep_0359")


class Client(slixmpp.ClientXMPP):
    """One device of one account."""

    def __init__(self, where, jid, password, resource):
        super().__init__(f"{jid}/{resource}", password)
        self.where = where
        self.inbox = Inbox(self.boundjid.full)
        self.enable_direct_tls = False
        self.ca_certs = Path(where["ca"])
        for plugin in PLUGINS:
            self.register_plugin(plugin)
        self.auto_authorize = None
        self.add_event_handler("message_error", lambda stanza: self.inbox.put(("message", stanza)))
        self.add_event_handler("message", lambda stanza: self.inbox.put(("message", stanza)))
        for event in ("presence_available", "presence_unavailable", "presence_subscribe", "presence_subscribed",
                      "changed_status", "roster_update", "carbon_received", "carbon_sent", "session_start",
                      "session_resumed", "failed_auth", "disconnected", "sm_enabled", "receipt_received", "blocked",
                      "avatar_metadata_publish", "user_nick_publish", "pubsub_publish", "pubsub_retract", "pubsub_purge",
                      "pubsub_delete"):
            self.add_event_handler(event, lambda data, event=event: self.inbox.put((event, data)))

    async def event_named(self, name, fits=lambda data: True):
        return (await self.inbox.take(lambda item: item[0] == name and fits(item[1]), name))[1]

    async def text(self, body):
        return await self.event_named("message", lambda message: message["body"] == body)

    async def log_in(self, presence=True):
        self.connect(self.where["host"], self.where["port"])
        await self.event_named("session_start")
        if presence:
            await self.get_roster()
            self.send_presence()
            # The server shows us our own presence last: then we are reachable.
            await self.event_named("presence_available", lambda stanza: stanza["from"] == self.boundjid)
        return self

    def say(self, to, body):
        message = self.make_message(mto=to, mbody=body, mtype="chat")
        message["id"] = self.new_id()
        message.send()
        return message["id"]

    async def leave(self):
        if self.transport is not None:
            await self.disconnect()


@check
async def login(stage):
    alice = await stage.on("alice")
    assert alice.boundjid.bare == stage.jid("alice"), alice.boundjid
    assert "starttls" in alice.features, "not encrypted"


@check
async def wrong_password_is_refused(stage):
    client = Client(stage.where, stage.jid("alice"), "wrong", "thief")
    client.connect(stage.where["host"], stage.where["port"])
    await client.event_named("failed_auth")
    await client.leave()


@check
async def chat_both_ways(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    alice.say(stage.jid("bob"), "hello bob")
    message = await bob.text("hello bob")
    assert message["from"] == alice.boundjid, message["from"]
    bob.say(message["from"], "hello alice ☕")
    await alice.text("hello alice ☕")


@check
async def roster_and_presence(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    alice.send_presence_subscription(pto=stage.jid("bob"), ptype="subscribe")
    await bob.event_named("presence_subscribe")
    bob.send_presence_subscription(pto=stage.jid("alice"), ptype="subscribed")
    bob.send_presence_subscription(pto=stage.jid("alice"), ptype="subscribe")
    await alice.event_named("presence_subscribe")
    alice.send_presence_subscription(pto=stage.jid("bob"), ptype="subscribed")
    await bob.event_named("presence_available", lambda stanza: stanza["from"] == alice.boundjid)
    await alice.event_named("presence_available", lambda stanza: stanza["from"] == bob.boundjid)
    # With a roster version the answer is empty when the pushes have told everything.
    await alice.get_roster()
    item = alice.client_roster[stage.jid("bob")]
    assert item["subscription"] == "both", item
    bob.send_presence(pshow="away", pstatus="tea")
    await alice.event_named("changed_status", lambda stanza: stanza["from"] == bob.boundjid and stanza["status"] == "tea")
    await alice.update_roster(slixmpp.JID(stage.jid("bob")), name="Bob", groups=["Friends"])
    await alice.get_roster()
    item = alice.client_roster[stage.jid("bob")]
    assert item["name"] == "Bob" and item["groups"] == ["Friends"], item


def submitted(client, kind, values):
    """A form of XEP-0060 that is filled in."""
    form = client.plugin["xep_0004"].make_form(ftype="submit")
    form.add_field(var="FORM_TYPE", ftype="hidden", value=f"http://jabber.org/protocol/pubsub#{kind}")
    for name, value in values.items():
        if name != "FORM_TYPE":
            form.add_field(var=name, value=value)
    return form


def options(client, **values):
    """Conditions for a publication (XEP-0060 §7.1.5)."""
    return submitted(client, "publish-options", {f"pubsub#{name}": value for name, value in values.items()})


@check
async def avatar_and_nickname_reach_a_contact(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    image = b"\x89PNG, nearly"
    name = alice.plugin["xep_0084"].generate_id(image)
    everybody = options(alice, access_model="open")
    await alice.plugin["xep_0084"].publish_avatar(image, options=everybody)
    info = {"id": name, "type": "image/png", "bytes": len(image)}
    await alice.plugin["xep_0084"].publish_avatar_metadata(info, options=everybody)
    told = await bob.event_named("avatar_metadata_publish", lambda told: told["from"].bare == stage.jid("alice"))
    told = told["pubsub_event"]["items"]["item"]["avatar_metadata"].xml
    assert told[0].attrib["id"] == name, told
    fetched = await bob.plugin["xep_0084"].retrieve_avatar(slixmpp.JID(stage.jid("alice")), name)
    assert fetched["pubsub"]["items"]["item"]["avatar_data"]["value"] == image, fetched
    # XEP-0398: it is the photo of the vCard too.
    card = await bob.plugin["xep_0054"].get_vcard(jid=slixmpp.JID(stage.jid("alice")), cached=False)
    assert card["vcard_temp"]["PHOTO"]["BINVAL"] == image, card
    await alice.plugin["xep_0172"].publish_nick("Ally")
    told = await bob.event_named("user_nick_publish", lambda told: told["from"].bare == stage.jid("alice"))
    assert told["pubsub_event"]["items"]["item"]["nick"]["nick"] == "Ally", told


@check
async def whoever_comes_online_is_told_what_was_published_last(stage):
    phone = await stage.on("bob", "phone")
    told = await phone.event_named("user_nick_publish", lambda told: told["from"].bare == stage.jid("alice"))
    assert told["pubsub_event"]["items"]["item"]["nick"]["nick"] == "Ally", told
    await phone.leave()
    stage.clients.pop(("bob", "phone"))


@check
async def bookmarks_are_for_the_own_devices(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    node, own = "urn:xmpp:bookmarks:1", slixmpp.JID(stage.jid("alice"))
    pubsub = alice.plugin["xep_0060"]
    private = options(alice, access_model="whitelist", persist_items="true", max_items="max")
    for room in ("theplay@rooms.example", "orchard@rooms.example"):
        conference = ElementTree.Element(f"{{{node}}}conference", {"name": room, "autojoin": "true"})
        await pubsub.publish(own, node, id=room, payload=conference, options=private)
    items = (await pubsub.get_items(own, node))["pubsub"]["items"]
    assert [item["id"] for item in items] == ["theplay@rooms.example", "orchard@rooms.example"], items
    await pubsub.retract(own, node, "orchard@rooms.example", notify=True)
    items = (await pubsub.get_items(own, node))["pubsub"]["items"]
    assert [item["id"] for item in items] == ["theplay@rooms.example"], items
    try:
        await bob.plugin["xep_0060"].get_items(own, node)
    except IqError as error:
        assert error.condition == "not-allowed", error
    else:
        raise AssertionError("bob reads alice's bookmarks")
    await pubsub.delete_node(own, node)


@check
async def a_node_is_made_configured_and_deleted(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    own, pubsub = slixmpp.JID(stage.jid("alice")), alice.plugin["xep_0060"]
    await pubsub.create_node(own, "urn:thoughts")
    form = (await pubsub.get_node_config(own, "urn:thoughts"))["pubsub_owner"]["configure"]["form"]
    values = form.get_values()
    assert values["pubsub#access_model"] == "presence", values
    await pubsub.set_node_config(own, "urn:thoughts", submitted(alice, "node_config", {**values, "pubsub#access_model": "open"}))
    subscribed = await bob.plugin["xep_0060"].subscribe(own, "urn:thoughts")
    assert subscribed["pubsub"]["subscription"]["subscription"] == "subscribed", subscribed
    thought = ElementTree.Element("{urn:thoughts}thought")
    await pubsub.publish(own, "urn:thoughts", id="first", payload=thought)
    told = await bob.event_named("pubsub_publish", lambda told: told["pubsub_event"]["items"]["node"] == "urn:thoughts")
    assert told["pubsub_event"]["items"]["item"]["id"] == "first", told
    await pubsub.purge(own, "urn:thoughts")
    await bob.event_named("pubsub_purge")
    await bob.plugin["xep_0060"].unsubscribe(own, "urn:thoughts")
    await pubsub.delete_node(own, "urn:thoughts")
    nodes = (await pubsub.get_nodes(own))["disco_items"]["items"]
    assert all(node != "urn:thoughts" for _, node, _ in nodes), nodes


@check
async def carbons_reach_every_device(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    phone = await stage.on("bob", "phone")
    await phone.plugin["xep_0280"].enable()
    await bob.plugin["xep_0280"].enable()
    alice.say(bob.boundjid.full, "only to the desk")
    await bob.text("only to the desk")
    carbon = await phone.event_named("carbon_received")
    assert carbon["carbon_received"]["body"] == "only to the desk", carbon
    bob.say(stage.jid("alice"), "from the desk")
    await alice.text("from the desk")
    carbon = await phone.event_named("carbon_sent")
    assert carbon["carbon_sent"]["body"] == "from the desk", carbon
    await phone.leave()
    stage.clients.pop(("bob", "phone"))


@check
async def receipt_comes_back(stage):
    alice = await stage.on("alice")
    bob = await stage.on("bob")
    alice.plugin["xep_0184"].auto_request = True
    sent = alice.make_message(mto=bob.boundjid.full, mbody="read this", mtype="chat")
    sent.send()
    await bob.text("read this")
    receipt = await alice.event_named("receipt_received")
    assert receipt["receipt"] == sent["id"], receipt
    alice.plugin["xep_0184"].auto_request = False


@check
async def offline_messages_wait_in_order(stage):
    alice = await stage.on("alice")
    await stage.on("bob")
    await stage.off("bob")
    for number in range(5):
        alice.say(stage.jid("bob"), f"while away {number}")
    # The answer to a ping says that all of them were handled.
    await alice.plugin["xep_0199"].ping(jid=alice.boundjid.domain)
    bob = await stage.on("bob")
    for number in range(5):
        message = await bob.event_named("message", lambda message: message["body"].startswith("while away"))
        assert message["body"] == f"while away {number}", message
        assert message["delay"]["stamp"], message


@check
async def archive_is_paged(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    for number in range(25):
        alice.say(stage.jid("bob"), f"page {number}")
    await bob.text("page 24")
    found = []
    async for result in bob.plugin["xep_0313"].iterate(with_jid=slixmpp.JID(stage.jid("alice")), rsm={"max": 10}):
        found.append(result["mam_result"]["forwarded"]["stanza"]["body"])
    pages = [body for body in found if body.startswith("page ")]
    assert pages == [f"page {number}" for number in range(25)], found
    newest = []
    async for result in bob.plugin["xep_0313"].iterate(with_jid=slixmpp.JID(stage.jid("alice")), rsm={"max": 7}, reverse=True, total=7):
        newest.append(result["mam_result"]["forwarded"]["stanza"]["body"])
    assert sorted(newest) == sorted(f"page {number}" for number in range(18, 25)), newest
    metadata = await bob.plugin["xep_0313"].get_archive_metadata()
    assert metadata["mam_metadata"]["start"]["id"] and metadata["mam_metadata"]["end"]["id"], metadata


@check
async def resumption_after_a_cut_connection(stage):
    alice = await stage.on("alice")
    bob = await stage.fresh("bob", "train").log_in()
    await bob.event_named("sm_enabled")
    await bob.plugin["xep_0199"].ping(jid=bob.boundjid.domain)
    before = bob.boundjid.full
    bob.abort()
    await bob.event_named("disconnected")
    for number in range(5):
        alice.say(before, f"in the tunnel {number}")
    await alice.plugin["xep_0199"].ping(jid=alice.boundjid.domain)
    bob.connect(stage.where["host"], stage.where["port"])
    await bob.event_named("session_resumed")
    assert bob.boundjid.full == before, bob.boundjid
    for number in range(5):
        message = await bob.event_named("message", lambda message: message["body"].startswith("in the tunnel"))
        assert message["body"] == f"in the tunnel {number}", message
    bob.say(stage.jid("alice"), "through the tunnel")
    await alice.text("through the tunnel")
    await bob.plugin["xep_0199"].ping(jid=bob.boundjid.domain)
    bob.inbox.none(lambda item: item[0] == "message" and item[1]["body"].startswith("in the tunnel"), "a message twice")
    await bob.leave()


@check
async def what_was_sent_into_a_cut_connection_arrives_once(stage):
    alice = await stage.on("alice")
    bob = await stage.fresh("bob", "lift").log_in()
    await bob.event_named("sm_enabled")
    await bob.plugin["xep_0199"].ping(jid=bob.boundjid.domain)
    # The bytes leave, then the connection is gone before any acknowledgement can come back.
    bob.say(stage.jid("alice"), "going down")
    await alice.text("going down")
    bob.abort()
    await bob.event_named("disconnected")
    bob.connect(stage.where["host"], stage.where["port"])
    await bob.event_named("session_resumed")
    bob.say(stage.jid("alice"), "back again")
    await alice.text("back again")
    alice.inbox.none(lambda item: item[0] == "message" and item[1]["body"] == "going down", "a message twice")
    await bob.leave()


@check
async def blocking(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    await alice.plugin["xep_0191"].block([slixmpp.JID(stage.jid("bob"))])
    blocked = await alice.plugin["xep_0191"].get_blocked_jids()
    assert blocked == {slixmpp.JID(stage.jid("bob"))}, blocked
    sent = bob.say(stage.jid("alice"), "can you hear me?")
    refused = await bob.event_named("message", lambda message: message["type"] == "error" and message["id"] == sent)
    assert refused["error"]["condition"] == "service-unavailable", refused
    await alice.plugin["xep_0191"].unblock([slixmpp.JID(stage.jid("bob"))])
    bob.say(stage.jid("alice"), "and now?")
    await alice.text("and now?")
    alice.inbox.none(lambda item: item[0] == "message" and item[1]["body"] == "can you hear me?", "a blocked message")


@check
async def vcard_and_private_storage(stage):
    alice, bob = await stage.on("alice"), await stage.on("bob")
    card = alice.plugin["xep_0054"].make_vcard()
    card["FN"] = "Alice Liddell"
    await alice.plugin["xep_0054"].publish_vcard(card)
    seen = await bob.plugin["xep_0054"].get_vcard(jid=slixmpp.JID(stage.jid("alice")), cached=False)
    assert seen["vcard_temp"]["FN"] == "Alice Liddell", seen


@check
async def server_answers_questions(stage):
    alice = await stage.on("alice")
    domain = slixmpp.JID(alice.boundjid.domain)
    features = (await alice.plugin["xep_0030"].get_info(jid=domain))["disco_info"]["features"]
    for feature in ("urn:xmpp:carbons:2", "urn:xmpp:blocking", "urn:xmpp:ping", "msgoffline"):
        assert feature in features, (feature, features)
    version = await alice.plugin["xep_0092"].get_version(jid=domain)
    assert version["software_version"]["name"], version
    await alice.plugin["xep_0202"].get_entity_time(to=domain)
    uptime = await alice.plugin["xep_0012"].get_last_activity(domain)
    assert int(uptime["last_activity"]["seconds"]) >= 0, uptime
    try:
        await alice.plugin["xep_0092"].get_version(jid=slixmpp.JID(f"nobody@{domain}"))
    except IqError as error:
        assert error.condition == "service-unavailable", error
    else:
        raise AssertionError("nobody answered")


@check
async def password_change(stage):
    bob = await stage.on("bob")
    await bob.plugin["xep_0077"].change_password("a new secret", jid=slixmpp.JID(bob.boundjid.domain))
    await stage.off("bob")
    old = stage.fresh("bob", "old")
    old.connect(stage.where["host"], stage.where["port"])
    await old.event_named("failed_auth")
    await old.leave()
    stage.where["users"]["bob"]["password"] = "a new secret"
    await stage.on("bob")


async def main():
    stage = Stage(spec(), Client)
    code = await run(stage)
    for user in ("alice", "bob"):
        await stage.off(user)
    return code


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "--debug" in sys.argv else logging.CRITICAL)
    sys.exit(asyncio.run(main()))
