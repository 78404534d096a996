// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A WebSocket client by exact bytes: it sends whatever a test wants, right or wrong. Blocking, on one thread at a time.
public final class WebSocketClient: @unchecked Sendable {
    /// One frame, or one message, as it came.
    public struct Frame: Equatable, Sendable {
        public var opcode: UInt8
        public var payload: [UInt8]

        public init(opcode: UInt8, payload: [UInt8]) {
            self.opcode = opcode
            self.payload = payload
        }

        /// The payload as UTF-8.
        public var text: String { String(decoding: payload, as: UTF8.self) }

        /// Of a close frame.
        public var code: Int { payload.count < 2 ? 0 : Int(payload[0]) << 8 | Int(payload[1]) }
        /// Of a close frame.
        public var reason: String { String(decoding: payload.dropFirst(2), as: UTF8.self) }

        /// A member of a JSON document.
        public func member(_ name: String) -> String? {
            let object = try? JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any]
            return (object?[name]).map { "\($0)" }
        }
    }

    // Opcodes (RFC 6455 section 11.8).
    public static let text: UInt8 = 1
    public static let binary: UInt8 = 2
    public static let close: UInt8 = 8
    public static let ping: UInt8 = 9
    public static let pong: UInt8 = 10

    /// What it speaks over.
    public let connection: RawConnection
    /// The answer to the handshake.
    public let response: RawConnection.Response

    public init(
        port: Int, path: String, fields: [String] = [], subprotocol: String? = nil, receiveBufferBytes: Int32? = nil
    ) throws {
        connection = try RawConnection(port: port, receiveBufferBytes: receiveBufferBytes)
        var text =
            "GET \(path) HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        text += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        if let subprotocol { text += "Sec-WebSocket-Protocol: \(subprotocol)\r\n" }
        for field in fields { text += field + "\r\n" }
        try connection.send(text + "\r\n")
        response = try connection.readResponse()
    }

    /// Sends a text message.
    public func send(_ text: String) throws { try send(Self.text, Array(text.utf8)) }

    /// Sends one frame with any of its bits set as wished.
    public func send(
        _ opcode: UInt8, _ payload: [UInt8], isLast: Bool = true, isMasked: Bool = true, reserved: UInt8 = 0
    )
        throws
    {
        var bytes: [UInt8] = [(isLast ? 0x80 : 0) | reserved | opcode]
        let mask: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ..<126: bytes.append(mask | UInt8(payload.count))
        case ..<65_536: bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            bytes.append(mask | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(payload.count >> shift & 0xFF)) }
        }
        if isMasked {
            let key: [UInt8] = [0x12, 0x34, 0x56, 0x78]
            bytes += key
            bytes += payload.enumerated().map { $1 ^ key[$0 & 3] }
        } else {
            bytes += payload
        }
        try connection.send(bytes)
    }

    /// Sends a close frame with a code, good or bad.
    public func sendClose(_ code: Int) throws { try send(Self.close, [UInt8(code >> 8), UInt8(code & 0xFF)]) }

    /// The next frame; the server does not fragment.
    public func receive() throws -> Frame {
        let head = try connection.read(2)
        var length = Int(head[1] & 0x7F)
        if length == 126 {
            length = try connection.read(2).reduce(0) { $0 << 8 | Int($1) }
        } else if length == 127 {
            length = try connection.read(8).reduce(0) { $0 << 8 | Int($1) }
        }
        return Frame(opcode: head[0] & 0x0F, payload: try connection.read(length))
    }

    /// Reads on to the close frame, answers it, and waits for the end of the connection.
    public func receiveClose() throws -> Frame {
        while true {
            let frame = try receive()
            guard frame.opcode == Self.close else { continue }
            try? send(Self.close, Array(frame.payload.prefix(2)))
            _ = try? connection.readToEnd()
            return frame
        }
    }
}

/// A client of server-sent events. Blocking, on one thread at a time.
public final class EventClient: @unchecked Sendable {
    /// One event with data.
    public struct Event: Equatable, Sendable {
        public var name = "message"
        /// The stream's last number when the event came.
        public var id: String
        public var data: String

        public func member(_ name: String) -> String? {
            let object = try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any]
            return (object?[name]).map { "\($0)" }
        }
    }

    /// What it speaks over.
    public let connection: RawConnection
    /// The answer's head.
    public let response: RawConnection.Response
    /// The last number that the stream has named.
    public private(set) var lastID = ""
    /// Comments so far.
    public private(set) var comments = 0

    /// Connects, asks, and reads up to the number from which the stream begins.
    public init(port: Int, path: String, fields: [String] = [], receiveBufferBytes: Int32? = nil) throws {
        connection = try RawConnection(port: port, receiveBufferBytes: receiveBufferBytes)
        var text = "GET \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        for field in fields { text += field + "\r\n" }
        try connection.send(text + "\r\n")
        response = try connection.readResponse()
        guard response.status == 200 else { return }
        while lastID.isEmpty, try block() != nil {}
    }

    /// The next event with data, as WHATWG HTML section 9.2.6 has it; nil at the end of the connection.
    public func next() throws -> Event? {
        let before = comments
        while let block = try block() {
            if let event = block.event { return event }
            // Ends a test that would hang, as the connection's time-out does where nothing comes at all.
            guard comments - before < 4 else { throw RawConnection.Failure.endedBefore("an event", received: "") }
        }
        return nil
    }

    /// Reads on to the next comment.
    public func nextComment() throws {
        let before = comments
        while comments == before, try block() != nil {}
    }

    private func block() throws -> (event: Event?, Void)? {
        var name = ""
        var data: [String] = []
        while let line = try connection.readLine() {
            if line.isEmpty {
                guard !data.isEmpty else { return (nil, ()) }
                return (
                    Event(name: name.isEmpty ? "message" : name, id: lastID, data: data.joined(separator: "\n")), ()
                )
            }
            if line.hasPrefix(":") { comments += 1 }
            let field = line.prefix { $0 != ":" }
            var value = line.dropFirst(field.count + 1)
            if value.hasPrefix(" ") { value = value.dropFirst() }
            switch field {
            case "event": name = String(value)
            case "data": data.append(String(value))
            case "id": lastID = String(value)
            default: break
            }
        }
        return nil
    }
}
