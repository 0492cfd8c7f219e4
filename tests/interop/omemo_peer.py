"""A device whose OMEMO others wrote, driven by `crates/omemo/tests/python.rs`: a command a line on standard input, as
JSON, and an answer a line on standard output. Bytes are in base64.

    omemo_peer.py omemo-dr|oldmemo|twomemo

    {"do": "bundle"}                               -> {"identity", "signed_prekey_id", "signed_prekey", "signature",
                                                       "prekeys": [[id, key]...]}
    {"do": "start", "bundle": {...}}               -> {}: what is written from now on goes over a new session
    {"do": "write", "text"}                        -> {"key", "kex", "iv", "payload"}
    {"do": "read", "key", "kex", "iv", "payload"}  -> {"text"}

A failure is {"error": ...}. The libraries are used as their documentation describes; nothing of them is part of Whimbrel.
"""

import asyncio
import base64
import json
import logging
import sys

OWN = ("peer@example.org", 4711)
OTHER = ("whimbrel@example.org", 1234)


def text_of(data):
    return base64.b64encode(data).decode()


def bytes_of(text):
    return base64.b64decode(text, validate=True)


class Backend:
    """oldmemo and twomemo, the backends of python-omemo."""

    def __init__(self, name):
        import importlib

        from omemo.storage import Just, Nothing, Storage

        class Memory(Storage):
            def __init__(self):
                super().__init__(True)
                self.values = {}

            async def _load(self, key):
                return Just(self.values[key]) if key in self.values else Nothing()

            async def _store(self, key, value):
                self.values[key] = value

            async def _delete(self, key):
                self.values.pop(key, None)

        self.name = name
        self.code = importlib.import_module(f"{name}.{name}")
        self.etree = importlib.import_module(f"{name}.etree")
        self.backend = getattr(self.code, name.capitalize())(Memory())
        self.sessions = []

    async def bundle(self):
        if await self.backend.get_num_visible_pre_keys() < 50:
            await self.backend.generate_pre_keys(100)
        element = self.etree.serialize_bundle(await self.backend.get_bundle(*OWN))
        old = self.name == "oldmemo"
        child = lambda new, older: next(e for e in element.iter() if e.tag.endswith("}" + (older if old else new)))
        signed = child("spk", "signedPreKeyPublic")
        prekeys = child("prekeys", "prekeys")
        return {
            "identity": child("ik", "identityKey").text,
            "signed_prekey_id": int(signed.get("signedPreKeyId" if old else "id")),
            "signed_prekey": signed.text,
            "signature": child("spks", "signedPreKeySignature").text,
            "prekeys": [[int(e.get("preKeyId" if old else "id")), e.text] for e in prekeys],
        }

    async def start(self, bundle):
        from xml.etree import ElementTree

        old = self.name == "oldmemo"
        namespace = "eu.siacs.conversations.axolotl" if old else "urn:xmpp:omemo:2"
        root = ElementTree.Element(f"{{{namespace}}}bundle")

        def add(parent, new, older, text, **attributes):
            child = ElementTree.SubElement(parent, f"{{{namespace}}}{older if old else new}", attributes)
            child.text = text
            return child

        signed_id = str(bundle["signed_prekey_id"])
        add(root, "spk", "signedPreKeyPublic", bundle["signed_prekey"], **{"signedPreKeyId" if old else "id": signed_id})
        add(root, "spks", "signedPreKeySignature", bundle["signature"])
        add(root, "ik", "identityKey", bundle["identity"])
        prekeys = add(root, "prekeys", "prekeys", None)
        for number, key in bundle["prekeys"]:
            add(prekeys, "pk", "preKeyPublic", key, **{"preKeyId" if old else "id": str(number)})
        self.to_start = self.etree.parse_bundle(root, *OTHER)
        self.starting = True
        return {}

    starting = False

    async def write(self, text):
        content, plain = await self.backend.encrypt_plaintext(text.encode())
        if self.starting:
            session, material = await self.backend.build_session_active(*OTHER, self.to_start, plain)
            self.sessions.insert(0, session)
            self.starting = False
        else:
            session = self.sessions[0]
            material = await self.backend.encrypt_key_material(session, plain)
        key = material.serialize()
        kex = session.initiation.name == "ACTIVE" and not session.confirmed
        if self.name == "oldmemo":
            key = key if isinstance(key, bytes) else key.SerializeToString()
        if kex:
            key = session.key_exchange.serialize(material.serialize())
            key = key[0] if isinstance(key, tuple) else key
        iv = getattr(content, "initialization_vector", None)
        return {
            "key": text_of(key),
            "kex": kex,
            "iv": None if iv is None else text_of(iv),
            "payload": text_of(content.ciphertext),
        }

    async def read(self, key, kex, iv, payload):
        key, code = bytes_of(key), self.code
        if kex:
            # The other side signs with XEdDSA: the sign of its key is 0.
            signs = (False,) if self.name == "oldmemo" else ()
            exchange, message = code.KeyExchangeImpl.parse(key, *signs)
            material = code.EncryptedKeyMaterialImpl.parse(message, *OTHER)
            known = [s for s in self.sessions if s.key_exchange.builds_same_session(exchange)]
            if known:
                plain = await self.read_on(known[0], material)
            else:
                session, plain = await self.backend.build_session_passive(*OTHER, exchange, material)
                await self.backend.delete_pre_key(session)
                self.sessions.insert(0, session)
        else:
            failure = ValueError("no session")
            for session in list(self.sessions):
                material = code.EncryptedKeyMaterialImpl.parse(key, *OTHER)
                try:
                    plain = await self.read_on(session, material)
                    break
                except Exception as error:  # noqa: BLE001 the next session may be the one
                    failure = error
            else:
                raise failure
        if iv is None:
            content = code.ContentImpl(bytes_of(payload))
        else:
            content = code.ContentImpl(bytes_of(payload), bytes_of(iv))
        return {"text": (await self.backend.decrypt_plaintext(content, plain)).decode()}

    async def read_on(self, session, material):
        plain = await self.backend.decrypt_key_material(session, material)
        session.confirm()
        self.sessions.remove(session)
        self.sessions.insert(0, session)
        return plain


def omemo_dr():
    """omemo-dr, which Gajim uses, with its session manager."""
    from omemo_dr.const import NS_OMEMO_TMP, OMEMOTrust
    from omemo_dr.session_manager import OMEMOSessionManager
    from omemo_dr.state.sessionrecord import SessionRecord
    from omemo_dr.state.store import Store
    from omemo_dr.structs import OMEMOBundle, OMEMOConfig, OMEMOMessage

    class Memory(Store):
        def __init__(self):
            self.own = None
            self.prekeys, self.signed, self.sessions = {}, {}, {}

        def needs_init(self):
            return self.own is None

        def set_our_identity(self, device_id, identity_key_pair):
            self.own = (device_id, identity_key_pair)

        def get_our_device_id(self):
            return self.own[0]

        def get_identity_key_pair(self):
            return self.own[1]

        def store_pre_key(self, pre_key_id, pre_key_record):
            self.prekeys[pre_key_id] = pre_key_record

        def load_pre_key(self, pre_key_id):
            return self.prekeys[pre_key_id]

        def contains_pre_key(self, pre_key_id):
            return pre_key_id in self.prekeys

        def remove_pre_key(self, pre_key_id):
            self.prekeys.pop(pre_key_id, None)

        def load_pending_pre_keys(self):
            return list(self.prekeys.values())

        def get_current_pre_key_id(self):
            return max(self.prekeys, default=None)

        def get_pre_key_count(self):
            return len(self.prekeys)

        def store_signed_pre_key(self, signed_pre_key_id, signed_pre_key_record):
            self.signed[signed_pre_key_id] = signed_pre_key_record

        def load_signed_pre_key(self, signed_pre_key_id):
            return self.signed[signed_pre_key_id]

        def load_signed_pre_keys(self):
            return list(self.signed.values())

        def contains_signed_pre_key(self, signed_pre_key_id):
            return signed_pre_key_id in self.signed

        def get_current_signed_pre_key_id(self):
            return max(self.signed, default=None)

        def get_signed_pre_key_timestamp(self, signed_pre_key_id):
            import time

            return int(time.time())

        def remove_signed_pre_key(self, signed_pre_key_id):
            self.signed.pop(signed_pre_key_id, None)

        def remove_old_signed_pre_keys(self, timestamp):
            pass

        def load_session(self, recipient_id, device_id):
            saved = self.sessions.get((recipient_id, device_id))
            return SessionRecord() if saved is None else SessionRecord(serialized=saved)

        def store_session(self, recipient_id, device_id, session_record):
            self.sessions[recipient_id, device_id] = session_record.serialize()

        def contains_session(self, recipient_id, device_id):
            return (recipient_id, device_id) in self.sessions

        def delete_session(self, recipient_id, device_id):
            self.sessions.pop((recipient_id, device_id), None)

        def delete_all_sessions(self, recipient_id):
            self.sessions.clear()

        def get_active_device_tuples(self):
            return list(self.sessions)

        def get_inactive_sessions_keys(self, recipient_id):
            return []

        def get_unacknowledged_count(self, recipient_id, device_id):
            return 0

        def set_active_state(self, address, devicelist):
            pass

        def set_inactive(self, address, device_id):
            pass

        # Everybody is trusted: this is about messages.
        def save_identity(self, recipient_id, identity_key):
            pass

        def delete_identity(self, recipient_id, identity_key):
            pass

        def is_trusted(self, recipient_id, device_id):
            return True

        def is_trusted_identity(self, recipient_id, identity_key):
            return True

        def get_trust_for_identity(self, recipient_id, identity_key):
            return OMEMOTrust.VERIFIED

        def set_trust(self, recipient_id, identity_key, trust):
            pass

        def set_identity_last_seen(self, recipient_id, identity_key):
            pass

        def get_identity_infos(self, recipient_ids):
            return []

    config = OMEMOConfig(
        default_prekey_amount=100,
        min_prekey_amount=80,
        spk_archive_seconds=15 * 86400,
        spk_cycle_seconds=86400,
        unacknowledged_count=2000,
    )

    class Manager:
        def __init__(self):
            self.manager = OMEMOSessionManager(OWN[0], Memory(), config)
            self.manager.update_devicelist(OTHER[0], [OTHER[1]])

        async def bundle(self):
            bundle = self.manager.get_bundle(NS_OMEMO_TMP)
            return {
                "identity": text_of(bundle.ik),
                "signed_prekey_id": bundle.spk["id"],
                "signed_prekey": text_of(bundle.spk["key"]),
                "signature": text_of(bundle.spk_signature),
                "prekeys": [[prekey["id"], text_of(prekey["key"])] for prekey in bundle.otpks],
            }

        async def start(self, bundle):
            read = OMEMOBundle(
                device_id=OTHER[1],
                namespace=NS_OMEMO_TMP,
                ik=bytes_of(bundle["identity"]),
                spk={"id": bundle["signed_prekey_id"], "key": bytes_of(bundle["signed_prekey"])},
                spk_signature=bytes_of(bundle["signature"]),
                otpks=[{"id": number, "key": bytes_of(key)} for number, key in bundle["prekeys"]],
            )
            self.manager.build_session(OTHER[0], read)
            return {}

        async def write(self, text):
            message = self.manager.encrypt(OTHER[0], text, groupchat=False)
            key, kex = message.keys[OTHER[1]]
            return {"key": text_of(key), "kex": kex, "iv": text_of(message.iv), "payload": text_of(message.payload)}

        async def read(self, key, kex, iv, payload):
            keys = {self.manager.get_our_device(): (bytes_of(key), kex)}
            message = OMEMOMessage(sid=OTHER[1], iv=bytes_of(iv), keys=keys, payload=bytes_of(payload))
            text, _, _ = self.manager.decrypt_message(message, OTHER[0])
            return {"text": text}

    return Manager()


async def main(name):
    logging.disable(logging.CRITICAL)
    peer = omemo_dr() if name == "omemo-dr" else Backend(name)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = await getattr(peer, command.pop("do"))(**command)
        except Exception as error:  # noqa: BLE001 whatever it is, it is the answer
            import traceback

            answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


asyncio.run(main(sys.argv[1]))
