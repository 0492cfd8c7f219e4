"""Uploads a file with slixmpp, a Python client library: finds the service, asks for a slot, sends. Prints the address."""

import asyncio
import json
import sys
from pathlib import Path

import slixmpp


async def main():
    where = json.loads(sys.argv[1])
    client = slixmpp.ClientXMPP(f"{where['jid']}/python", where["password"])
    client.enable_direct_tls = False
    client.ca_certs = Path(where["ca"])
    client.register_plugin("xep_0363")
    started = client.loop.create_future()
    client.add_event_handler("session_start", lambda _: started.set_result(None))
    client.connect(where["host"], where["port"])
    await asyncio.wait_for(started, 20)
    url = await client.plugin["xep_0363"].upload_file(Path(where["file"]), content_type="image/png", timeout=20)
    print(url)
    await client.disconnect()


asyncio.run(asyncio.wait_for(main(), 60))
