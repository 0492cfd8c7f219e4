"""Named checks for the Python drivers: run in order, one line each, exit code 1 if one failed."""

import asyncio
import json
import sys
import traceback

DEADLINE = 20
CHECKS = []


def check(function):
    """Registers a coroutine function; its name with dashes is the check's name."""
    CHECKS.append(function)
    return function


def spec():
    """Host, port, CA file and accounts, as JSON in the first argument."""
    return json.loads(sys.argv[1])


async def run(stage):
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", "-")
        try:
            await asyncio.wait_for(function(stage), DEADLINE)
            print(f"ok {name}", flush=True)
        except Exception as error:  # noqa: BLE001: whatever went wrong is the result
            failed += 1
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"FAIL {name} {reason}", flush=True)
            traceback.print_exc(limit=4)
    return 1 if failed else 0


class Stage:
    """Who is on; clients are made when a check asks for them and shared by later ones."""

    def __init__(self, where, client):
        self.where = where
        self.client = client
        self.clients = {}

    def fresh(self, user, resource):
        account = self.where["users"][user]
        return self.client(self.where, account["jid"], account["password"], resource)

    async def on(self, user, resource="desk"):
        key = (user, resource)
        if key not in self.clients:
            self.clients[key] = await self.fresh(user, resource).log_in()
        return self.clients[key]

    async def off(self, user):
        for key in [key for key in self.clients if key[0] == user]:
            await self.clients.pop(key).leave()

    def jid(self, user):
        return self.where["users"][user]["jid"]


class Inbox:
    """What happened to a client, in order; waiting for an event that fits."""

    def __init__(self, owner):
        self.owner = owner
        self.items = []
        self.changed = asyncio.Condition()

    def put(self, item):
        self.items.append(item)
        asyncio.ensure_future(self._notify())

    async def _notify(self):
        async with self.changed:
            self.changed.notify_all()

    async def take(self, fits, what):
        """Removes and returns the first item that fits."""
        async def wait():
            async with self.changed:
                while True:
                    for item in self.items:
                        if fits(item):
                            self.items.remove(item)
                            return item
                    await self.changed.wait()
        try:
            return await asyncio.wait_for(wait(), DEADLINE / 2)
        except asyncio.TimeoutError:
            seen = "; ".join(" ".join(str(item).split()) for item in self.items[-6:])
            raise AssertionError(f"{self.owner} waited for {what}; it has last: {seen}") from None

    def none(self, fits, what):
        found = [item for item in self.items if fits(item)]
        assert not found, f"{self.owner} has {what}: {found}"
