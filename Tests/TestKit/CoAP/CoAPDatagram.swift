// SPDX-License-Identifier: Apache-2.0

/// A CoAP message as it stands in a datagram (RFC 7252 section 3), for tests of exact bytes: every field can be set to what no well-behaved client
/// would send, and is read back as it came.
///
///     0                   1                   2                   3
///     |Ver| T |  TKL  |      Code     |          Message ID           |
///     |   Token …  |  Options …  |1 1 1 1 1 1 1 1|  Payload …
public struct CoAPDatagram: Equatable, Sendable {
    public enum Kind: UInt8, Sendable {
        case confirmable = 0
        case nonConfirmable = 1
        case acknowledgement = 2
        case reset = 3
    }

    public struct Option: Equatable, Sendable {
        public var number: Int
        public var value: [UInt8]

        public init(_ number: Int, _ value: [UInt8]) {
            self.number = number
            self.value = value
        }

        public init(_ number: Int, _ text: String) { self.init(number, Array(text.utf8)) }

        /// An unsigned integer in as few bytes as it takes; zero in none (section 3.2).
        public init(_ number: Int, _ integer: UInt32) {
            self.init(
                number, (0..<4).map { UInt8(truncatingIfNeeded: integer >> (24 - 8 * $0)) }.drop { $0 == 0 }.map { $0 })
        }

        public var text: String { String(decoding: value, as: UTF8.self) }
        /// nil: more than four bytes.
        public var integer: UInt32? {
            value.count > 4 ? nil : value.reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// Why bytes are no message.
    public enum Malformation: Error, Equatable {
        case truncated
        case version(UInt8)
        case tokenLength(Int)
        /// A delta or length of 15 (section 3.1).
        case reservedNibble
        /// The payload marker with nothing behind it (section 3).
        case emptyPayload
        /// Code 0.00 with something behind the message ID (section 4.1).
        case contentOfEmpty
    }

    public var version: UInt8 = 1
    public var kind: Kind
    public var code: Code
    public var messageID: UInt16
    /// At most eight bytes; more are written for tests of what must be refused.
    public var token: [UInt8]
    /// In any order; written sorted by number, those of the same number in theirs.
    public var options: [Option]
    /// Empty: neither marker nor payload.
    public var payload: [UInt8]

    public init(
        _ kind: Kind, _ code: Code, messageID: UInt16, token: [UInt8] = [], options: [Option] = [],
        payload: [UInt8] = []
    ) {
        self.kind = kind
        self.code = code
        self.messageID = messageID
        self.token = token
        self.options = options
        self.payload = payload
    }

    /// A request for a path: `/channels/x` becomes two Uri-Path options, `a=b&c` behind a question mark two Uri-Query options.
    public static func request(
        _ kind: Kind, _ code: Code, _ path: String, messageID: UInt16, token: [UInt8] = [],
        options: [Option] = [], payload: [UInt8] = []
    ) -> CoAPDatagram {
        let parts = path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let segments = (parts.first ?? "").split(separator: "/").map { Option(Number.uriPath, String($0)) }
        let query =
            parts.count < 2 ? [] : parts[1].split(separator: "&").map { Option(Number.uriQuery, String($0)) }
        return CoAPDatagram(
            kind, code, messageID: messageID, token: token, options: segments + query + options, payload: payload)
    }

    /// The first value of an option.
    public func option(_ number: Int) -> Option? { options.first { $0.number == number } }

    public var text: String { String(decoding: payload, as: UTF8.self) }

    // MARK: Writing

    public var bytes: [UInt8] {
        var output: [UInt8] = [
            version << 6 | kind.rawValue << 4 | UInt8(truncatingIfNeeded: min(token.count, 15)), code.rawValue,
            UInt8(messageID >> 8), UInt8(truncatingIfNeeded: messageID),
        ]
        output += token
        var last = 0
        // Sorting is stable.
        for option in options.sorted(by: { $0.number < $1.number }) {
            let delta = Self.extended(option.number - last)
            let length = Self.extended(option.value.count)
            output.append(delta.nibble << 4 | length.nibble)
            output += delta.bytes + length.bytes + option.value
            last = option.number
        }
        if !payload.isEmpty { output += [Self.payloadMarker] + payload }
        return output
    }

    private static let payloadMarker: UInt8 = 0xFF

    /// A delta or length: up to 12 in the nibble, up to 268 in a byte more, beyond in two more (section 3.1).
    private static func extended(_ number: Int) -> (nibble: UInt8, bytes: [UInt8]) {
        switch number {
        case ..<13: return (UInt8(max(number, 0)), [])
        case ..<269: return (13, [UInt8(number - 13)])
        default:
            let rest = number - 269
            return (14, [UInt8(truncatingIfNeeded: rest >> 8), UInt8(truncatingIfNeeded: rest)])
        }
    }

    // MARK: Reading

    public init(_ bytes: [UInt8]) throws(Malformation) {
        guard bytes.count >= 4, let kind = Kind(rawValue: bytes[0] >> 4 & 3) else { throw .truncated }
        guard bytes[0] >> 6 == 1 else { throw .version(bytes[0] >> 6) }
        self.init(kind, Code(rawValue: bytes[1]), messageID: UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
        let tokenLength = Int(bytes[0] & 15)
        guard tokenLength <= 8 else { throw .tokenLength(tokenLength) }
        if code == .empty, bytes.count > 4 || tokenLength > 0 { throw .contentOfEmpty }
        var reader = Reader(bytes: bytes, offset: 4)
        token = try reader.take(tokenLength)
        var number = 0
        while let head = reader.next() {
            if head == Self.payloadMarker {
                payload = try reader.take(bytes.count - reader.offset)
                if payload.isEmpty { throw .emptyPayload }
                return
            }
            number += try reader.extended(head >> 4)
            options.append(Option(number, try reader.take(try reader.extended(head & 15))))
        }
    }

    private struct Reader {
        let bytes: [UInt8]
        var offset: Int

        mutating func next() -> UInt8? {
            guard offset < bytes.count else { return nil }
            offset += 1
            return bytes[offset - 1]
        }

        mutating func take(_ count: Int) throws(Malformation) -> [UInt8] {
            guard count <= bytes.count - offset else { throw .truncated }
            offset += count
            return Array(bytes[(offset - count)..<offset])
        }

        mutating func extended(_ nibble: UInt8) throws(Malformation) -> Int {
            switch nibble {
            case ..<13: return Int(nibble)
            case 13: return Int(try take(1)[0]) + 13
            case 14:
                let two = try take(2)
                return (Int(two[0]) << 8 | Int(two[1])) + 269
            default: throw .reservedNibble
            }
        }
    }
}
