// SPDX-License-Identifier: Apache-2.0
import Crypto
import Foundation
import NIOCore
import NIOHTTP1

/// The opening handshake of RFC 6455 (section 4.2), as far as it is HTTP.
struct WebSocketHandshake {
    /// Messages as JSON documents both ways, with numbers and acknowledgements.
    static let envelopeProtocol = "martlet.v1+json"
    /// The same as no subprotocol, for browsers, which insist that one of those that they offer is chosen.
    static let bareProtocol = "martlet.v1"
    /// Followed by base64url of what the Authorization field would be: browsers cannot set fields, and unlike a query it is in no log. Never chosen.
    static let authorizationPrefix = "martlet.authorization."

    let format: LiveFormat
    /// What was offered as authorization.
    let authorization: String?
    private let subprotocol: String?
    private let accept: String

    /// Whether the request wants to become a WebSocket.
    static func isWanted(_ headers: HTTPHeaders) -> Bool {
        headers[canonicalForm: "upgrade"].contains { ASCII.isEqualIgnoringCase($0, "websocket") }
    }

    init(_ head: HTTPRequestHead) throws(Refusal) {
        guard head.version == .http1_1,
            head.headers[canonicalForm: "connection"].contains(where: { ASCII.isEqualIgnoringCase($0, "upgrade") })
        else {
            throw Refusal(
                status: 400, reason: "websocket-handshake",
                "A WebSocket begins with HTTP/1.1 and 'Connection: Upgrade'.")
        }
        guard head.headers[canonicalForm: "sec-websocket-version"] == ["13"] else {
            throw Refusal(
                status: 426, reason: "websocket-version", "Version 13 of the WebSocket protocol is spoken here.")
        }
        let keys = head.headers[canonicalForm: "sec-websocket-key"]
        guard keys.count == 1, let key = keys.first, Data(base64Encoded: String(key))?.count == 16 else {
            throw Refusal(
                status: 400, reason: "websocket-handshake",
                "The field Sec-WebSocket-Key must be 16 bytes in base64, once.")
        }
        let offered = head.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
        subprotocol = offered.first { $0 == Self.envelopeProtocol || $0 == Self.bareProtocol }
        format = subprotocol == Self.envelopeProtocol ? .envelope : .bare
        if let text = offered.first(where: { $0.hasPrefix(Self.authorizationPrefix) }) {
            guard let value = Self.decode(text.dropFirst(Self.authorizationPrefix.count)) else {
                throw Refusal(
                    status: 401, reason: "malformed-credential",
                    "What follows '\(Self.authorizationPrefix)' must be base64url of an Authorization field's value.")
            }
            authorization = value
        } else {
            authorization = nil
        }
        accept = Self.accept(key: String(key))
    }

    /// The response's head.
    func response(date: String) -> ByteBuffer {
        var buffer = ByteBuffer(
            string:
                "HTTP/1.1 101 Switching Protocols\r\n\(date)Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \(accept)\r\n"
        )
        if let subprotocol { buffer.writeString("Sec-WebSocket-Protocol: \(subprotocol)\r\n") }
        buffer.writeStaticString("\r\n")
        return buffer
    }

    /// RFC 6455 section 4.2.2: proves that the request was understood. SHA-1 guards nothing here.
    static func accept(key: String) -> String {
        let digest = Insecure.SHA1.hash(data: Data((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        return Data(digest).base64EncodedString()
    }

    private static func decode(_ text: Substring) -> String? {
        var base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        while base64.utf8.count % 4 != 0 { base64 += "=" }
        return Data(base64Encoded: String(base64)).flatMap { String(validating: $0, as: UTF8.self) }
    }
}
