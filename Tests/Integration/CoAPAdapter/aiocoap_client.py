# SPDX-License-Identifier: Apache-2.0
"""Publishes, observes and sends in blocks with aiocoap: aiocoap_client.py URI KEY

URI is a channel's messages. An observation must bring what is published after it began, in order; 64 KiB go in blocks; an unknown key is refused.
Prints what went wrong, and exits with 0 if nothing did.
"""
import asyncio
import sys

import aiocoap
from aiocoap.numbers.codes import Code

uri, key = sys.argv[1:3]
SENML_JSON = 110
OCTETS = 42


def message(code, subtopic, with_key=key, **fields):
    return aiocoap.Message(code=code, uri=f"{uri}/{subtopic}?auth={with_key}", **fields)


async def answer(client, request):
    return await asyncio.wait_for(client.request(request).response, 60)


async def main():
    client = await aiocoap.Context.create_client_context()
    observing = client.request(message(Code.GET, "hall", observe=0, accept=SENML_JSON))
    first = await asyncio.wait_for(observing.response, 60)
    assert first.code == Code.CONTENT and first.opt.observe is not None, first
    notified = asyncio.Queue()
    observing.observation.register_callback(notified.put_nowait)
    readings = [b'[{"n":"temperature","v":%d}]' % number for number in range(5)]
    for reading in readings:
        accepted = await answer(client, message(Code.POST, "hall", payload=reading, content_format=SENML_JSON))
        assert accepted.code == Code.CHANGED, accepted
        came = await asyncio.wait_for(notified.get(), 60)
        assert came.payload == reading, (came.payload, reading)
    observing.observation.cancel()
    large = bytes(number % 251 for number in range(65_536))
    stored = await answer(client, message(Code.PUT, "large", payload=large, content_format=OCTETS))
    assert stored.code == Code.CHANGED, stored
    refused = await answer(client, message(Code.POST, "hall", with_key="nobody", payload=b"x"))
    assert refused.code == Code.UNAUTHORIZED, refused
    await client.shutdown()


asyncio.run(main())
