// SPDX-License-Identifier: Apache-2.0
import Crypto
import NIOCore

/// Names a message that came over UDP, so that the bus knows one that is sent again to a new process: the one before was killed between the bus's sync and
/// the answer.
///
/// What is sent again comes from the same address and port, with the same message identifier, token, path and payload (RFC 7252 section 4.2). A client must not use
/// an identifier again within EXCHANGE_LIFETIME, 247 s, which is longer than the bus remembers names. Over DTLS a new process has new security
/// associations, and nothing is sent again from one to the other.
package enum MessageName {
    /// 35 bytes; nil where a message does not come again.
    package static func of(_ request: CoAPRequest) -> String? {
        guard request.transport == .udp else { return nil }
        var hash = SHA256()
        add(request.peer.high, to: &hash)
        add(request.peer.low, to: &hash)
        add(UInt64(request.peer.port) << 16 | UInt64(request.messageID), to: &hash)
        // Lengths in front, so that no two messages read the same.
        request.token.withBytes { add($0, to: &hash) }
        add(UInt64(request.options.path.count), to: &hash)
        for segment in request.options.path { segment.withUnsafeBytes { add($0, to: &hash) } }
        request.payload.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        var name = "co-"
        name.reserveCapacity(35)
        for byte in hash.finalize().prefix(16) {
            name.unicodeScalars.append(digit(byte >> 4))
            name.unicodeScalars.append(digit(byte & 15))
        }
        return name
    }

    private static func add(_ number: UInt64, to hash: inout SHA256) {
        withUnsafeBytes(of: number.littleEndian) { hash.update(bufferPointer: $0) }
    }

    private static func add(_ bytes: UnsafeRawBufferPointer, to hash: inout SHA256) {
        add(UInt64(bytes.count), to: &hash)
        hash.update(bufferPointer: bytes)
    }

    private static func digit(_ value: UInt8) -> Unicode.Scalar {
        Unicode.Scalar(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
    }
}
