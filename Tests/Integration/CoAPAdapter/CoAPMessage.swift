// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A datagram of CoAP as a test writes and reads it (RFC 7252 section 3), independent of the adapter's own reading.
struct CoAPMessage: Sendable {
    enum Kind: UInt8, Sendable {
        case confirmable = 0
        case nonConfirmable = 1
        case acknowledgement = 2
        case reset = 3
    }

    private static let identifiers = Atomic<UInt16>(.random(in: 0 ... .max))

    /// One that was not used for long.
    static func nextIdentifier() -> UInt16 { identifiers.wrappingAdd(1, ordering: .relaxed).newValue }

    static let get: UInt8 = 1
    static let post: UInt8 = 2
    static let put: UInt8 = 3
    static let delete: UInt8 = 4

    var kind: Kind
    var code: UInt8
    var identifier: UInt16
    var token: [UInt8]
    var options: [(number: UInt16, value: [UInt8])] = []
    var payload: [UInt8] = []

    init(
        _ kind: Kind, _ code: UInt8, identifier: UInt16 = nextIdentifier(),
        token: [UInt8] = [.random(in: 0 ... .max), .random(in: 0 ... .max)], path: [String] = [], query: [String] = []
    ) {
        self.kind = kind
        self.code = code
        self.identifier = identifier
        self.token = token
        options =
            path.map { (11, Array($0.utf8)) } + query.map { (15, Array($0.utf8)) }
    }

    /// `2.04`
    var codeText: String {
        let detail = code & 31
        return "\(code >> 5).\(detail < 10 ? "0" : "")\(detail)"
    }

    var text: String { String(decoding: payload, as: UTF8.self) }

    func option(_ number: UInt16) -> [UInt8]? { options.first { $0.number == number }?.value }

    /// Of an option whose value is a number.
    func uint(_ number: UInt16) -> Int? { option(number).map { $0.reduce(0) { $0 << 8 | Int($1) } } }

    /// The empty message that acknowledges this one.
    var acknowledgement: CoAPMessage { CoAPMessage(.acknowledgement, 0, identifier: identifier, token: []) }
    var reset: CoAPMessage { CoAPMessage(.reset, 0, identifier: identifier, token: []) }

    // MARK: Bytes

    var bytes: [UInt8] {
        var bytes: [UInt8] = [
            0x40 | kind.rawValue << 4 | UInt8(token.count), code, UInt8(identifier >> 8),
            UInt8(truncatingIfNeeded: identifier),
        ]
        bytes += token
        var last: UInt16 = 0
        // Those of one number stay in their order.
        for option in options.enumerated().sorted(by: {
            ($0.element.number, $0.offset) < ($1.element.number, $1.offset)
        })
        .map(\.element) {
            let (delta, deltaBytes) = Self.nibble(Int(option.number - last))
            let (length, lengthBytes) = Self.nibble(option.value.count)
            bytes.append(delta << 4 | length)
            bytes += deltaBytes + lengthBytes + option.value
            last = option.number
        }
        if !payload.isEmpty { bytes += [0xFF] + payload }
        return bytes
    }

    /// The same over TCP, without type and identifier (RFC 8323 section 3.2).
    var frame: [UInt8] {
        let rest = bytes.dropFirst(4 + token.count)
        let (length, lengthBytes) = Self.nibble(rest.count)
        return [length << 4 | UInt8(token.count)] + lengthBytes + [code] + token + rest
    }

    private static func nibble(_ value: Int) -> (UInt8, [UInt8]) {
        switch value {
        case ..<13: (UInt8(value), [])
        case ..<269: (13, [UInt8(value - 13)])
        default: (14, [UInt8((value - 269) >> 8), UInt8(truncatingIfNeeded: value - 269)])
        }
    }

    struct Malformed: Error {}

    init(_ bytes: [UInt8]) throws {
        guard bytes.count >= 4, bytes[0] >> 6 == 1, let kind = Kind(rawValue: bytes[0] >> 4 & 3) else {
            throw Malformed()
        }
        self.init(kind, bytes[1], identifier: UInt16(bytes[2]) << 8 | UInt16(bytes[3]), token: [])
        var rest = bytes[4...]
        token = Array(rest.prefix(Int(bytes[0] & 15)))
        rest = rest.dropFirst(token.count)
        var number = 0
        while let first = rest.popFirst() {
            if first == 0xFF {
                payload = Array(rest)
                return
            }
            number += try Self.extended(Int(first >> 4), &rest)
            let length = try Self.extended(Int(first & 15), &rest)
            guard rest.count >= length else { throw Malformed() }
            options.append((UInt16(truncatingIfNeeded: number), Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
    }

    private static func extended(_ nibble: Int, _ rest: inout ArraySlice<UInt8>) throws -> Int {
        switch nibble {
        case ..<13: return nibble
        case 13:
            guard let byte = rest.popFirst() else { throw Malformed() }
            return Int(byte) + 13
        case 14:
            guard let high = rest.popFirst(), let low = rest.popFirst() else { throw Malformed() }
            return (Int(high) << 8 | Int(low)) + 269
        default: throw Malformed()
        }
    }
}
