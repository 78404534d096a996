# SPDX-License-Identifier: Apache-2.0
"""Connects twice, the second time with the TLS session of the first: tls_resume.py PORT CA CERTIFICATE KEY CONNECT

CONNECT is the packet in hexadecimal digits. Prints both answers, and exits with 0 when the session was resumed.
"""
import socket
import ssl
import sys

port, ca, certificate, key, packet = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(ca)
context.load_cert_chain(certificate, key)
# Its session is known with the handshake; in TLS 1.3 it comes some time behind.
context.maximum_version = ssl.TLSVersion.TLSv1_2
session = None
for _ in range(2):
    with socket.create_connection(("localhost", int(port)), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
            connection.sendall(bytes.fromhex(packet))
            answer = connection.recv(4096)
            print(f"resumed={connection.session_reused} answer={answer[:4].hex()}")
            reused, session = connection.session_reused, connection.session
assert reused
