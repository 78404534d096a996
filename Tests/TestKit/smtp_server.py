#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real SMTP server (aiosmtpd) for the tests: puts each mail it takes into a file.

Usage: smtp_server.py DIRECTORY PORT [CERTIFICATE KEY [USER PASSWORD]]

Writes its port to DIRECTORY/port, mails to DIRECTORY/<number>.eml with the envelope in two lines before them. With a certificate it takes
mails only after STARTTLS, with a user only after AUTH. Recipients that begin with 'refused' are refused, with 'busy' put off.
"""
import asyncio
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, directory):
        self.directory = directory
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 no such mailbox"
        if address.startswith("busy"):
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        path = os.path.join(self.directory, f"{self.count}.eml")
        head = f"{envelope.mail_from} {session.host_name} {session.ssl is not None}\n{','.join(envelope.rcpt_tos)}\n"
        with open(path + ".part", "wb") as file:
            file.write(head.encode() + envelope.original_content)
        os.rename(path + ".part", path)
        return "250 taken"


async def main():
    directory, port = sys.argv[1], int(sys.argv[2])
    options = {}
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        options.update(tls_context=context, require_starttls=True)
    if len(sys.argv) > 6:
        user, password = sys.argv[5].encode(), sys.argv[6].encode()

        def authenticate(server, session, envelope, mechanism, data):
            return AuthResult(success=(data.login == user and data.password == password))

        options.update(authenticator=authenticate, auth_required=True)
    handler = Handler(directory)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, **options), "127.0.0.1", port)
    path = os.path.join(directory, "port")
    with open(path + ".part", "w") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    os.rename(path + ".part", path)
    await server.serve_forever()


asyncio.run(main())
