// SPDX-License-Identifier: Apache-2.0
import Bus

/// A frame as it came over the socket.
struct Frame: Equatable, CustomStringConvertible {
    let bytes: [UInt8]

    /// Takes a whole frame off the front; nil when there is none.
    init?(_ buffer: inout [UInt8]) {
        guard buffer.count >= 4 else { return nil }
        let length = Int(Frames.integer(buffer, 0, UInt32.self)) + 4
        guard buffer.count >= length else { return nil }
        bytes = Array(buffer[..<length])
        buffer.removeFirst(length)
    }

    var opcode: Wire.Opcode? { Wire.Opcode(rawValue: bytes[4]) }
    var flags: Wire.Flags { Wire.Flags(rawValue: bytes[5]) }
    var token: UInt32 { Frames.integer(bytes, 8, UInt32.self) }

    // Control plane.
    var extra: UInt16 { Frames.integer(bytes, 6, UInt16.self) }
    var failure: Wire.Failure? { Wire.Failure(rawValue: extra) }
    var body: ArraySlice<UInt8> { bytes[Wire.controlHeadLength...] }
    var text: String { String(decoding: body, as: UTF8.self) }
    var storedCount: UInt32 { Frames.integer(bytes, 12, UInt32.self) }
    var storedSequence: UInt64 { Frames.integer(bytes, 20, UInt64.self) }

    // Data plane.
    private var head: Int { Wire.headLength + (opcode == .streamDelivery ? Wire.streamHeadLength : 0) }
    private var subjectLength: Int { Int(Frames.integer(bytes, 6, UInt16.self)) }
    private var replyLength: Int { Int(Frames.integer(bytes, 12, UInt16.self)) }
    private var headersLength: Int { Int(Frames.integer(bytes, 14, UInt16.self)) }
    var subject: String { String(decoding: bytes[head..<head + subjectLength], as: UTF8.self) }
    var headers: [UInt8] {
        Array(bytes[(head + subjectLength + replyLength)...].prefix(headersLength))
    }
    var payload: String {
        String(decoding: bytes[(head + subjectLength + replyLength + headersLength)...], as: UTF8.self)
    }
    var sequence: UInt64 { Frames.integer(bytes, 16, UInt64.self) }
    var deliveryCount: UInt32 { Frames.integer(bytes, 32, UInt32.self) }

    var description: String { "\(opcode.map { "\($0)" } ?? "?")\(bytes)" }
}

/// Frames written by hand.
enum Frames {
    static func integer<Number: FixedWidthInteger>(_ bytes: [UInt8], _ offset: Int, _: Number.Type) -> Number {
        (0..<Number.bitWidth / 8).reduce(0) { $0 | Number(truncatingIfNeeded: bytes[offset + $1]) << Number($1 * 8) }
    }

    static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    static func control(
        _ opcode: Wire.Opcode, extra: UInt16 = 0, token: UInt32 = 0, body: [UInt8] = []
    ) -> [UInt8] {
        bytes(UInt32(8 + body.count)) + [opcode.rawValue, 0] + bytes(extra) + bytes(token) + body
    }

    static func hello(_ name: String) -> [UInt8] {
        control(.hello, body: Array("{\"version\":1,\"name\":\"\(name)\"}".utf8))
    }

    static func subscribe(_ identifier: UInt32, _ filter: String, group: String = "") -> [UInt8] {
        control(.subscribe, extra: UInt16(filter.utf8.count), token: identifier, body: Array((filter + group).utf8))
    }

    static func publish(
        _ subject: String, _ payload: String = "", reply: String = "", headers: [UInt8] = [], token: UInt32 = 0,
        flags: Wire.Flags = []
    ) -> [UInt8] {
        let length = 12 + subject.utf8.count + reply.utf8.count + headers.count + payload.utf8.count
        return bytes(UInt32(length)) + [Wire.Opcode.publish.rawValue, flags.rawValue]
            + bytes(UInt16(subject.utf8.count)) + bytes(token) + bytes(UInt16(reply.utf8.count))
            + bytes(UInt16(headers.count)) + Array(subject.utf8) + Array(reply.utf8) + headers + Array(payload.utf8)
    }

    static func messageID(_ identifier: String) -> [UInt8] {
        [Wire.HeaderType.messageID.rawValue, UInt8(identifier.utf8.count)] + Array(identifier.utf8)
    }
}
