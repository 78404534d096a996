// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation
import Glibc

/// A UDP socket that does not block, connected to a server on loopback, and datagrams that were made before the clock starts: only message ID and token,
/// four bytes, are written into them.
class CoAPSocket {
    /// What a datagram says, as far as the load needs it.
    struct Head {
        var type: UInt8
        var code: UInt8
        var messageID: UInt16
        /// Of four bytes; nil where there is another or none.
        var token: UInt32?
    }

    static let confirmable: UInt8 = 0
    static let nonConfirmable: UInt8 = 1
    static let acknowledgement: UInt8 = 2
    static let reset: UInt8 = 3

    let descriptor: Int32
    /// Where message IDs begin. An earlier socket may have had the same port, and what it has sent within 247 s must not be repeated (RFC 7252 section 4.4): a
    /// server that recognises repetitions would drop it.
    let firstMessageID = UInt16.random(in: 0 ... .max)

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw BenchmarkFailure(description: "socket: errno \(errno)") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw BenchmarkFailure(description: "connect: errno \(errno)") }
    }

    deinit { close(descriptor) }

    /// Sends a datagram with this message ID and token; what a full buffer refuses is lost, as datagrams are.
    func send(_ template: inout [UInt8], messageID: UInt16, token: UInt32) {
        template.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: messageID.bigEndian, toByteOffset: 2, as: UInt16.self)
            bytes.storeBytes(of: token.bigEndian, toByteOffset: 4, as: UInt32.self)
            write(UnsafeRawBufferPointer(bytes))
        }
    }

    /// Says that it closes, where that can be said.
    func leave() {}

    func write(_ bytes: UnsafeRawBufferPointer) { _ = Glibc.send(descriptor, bytes.baseAddress, bytes.count, 0) }

    /// - Returns: the size of a datagram; negative: there is none.
    func read(_ buffer: UnsafeMutableRawBufferPointer) -> Int { recv(descriptor, buffer.baseAddress, buffer.count, 0) }

    /// Acknowledges a confirmable message, and answers an empty one (a ping, RFC 7252 section 4.3) with a reset.
    func confirm(_ head: Head) {
        guard head.type == Self.confirmable else { return }
        let bytes: [UInt8] = [
            head.code == 0 ? 0x70 : 0x60, 0, UInt8(head.messageID >> 8), UInt8(truncatingIfNeeded: head.messageID),
        ]
        bytes.withUnsafeBytes { write($0) }
    }

    /// Hands out what has come.
    func receive(_ buffer: UnsafeMutableRawBufferPointer, _ body: (Head) -> Void) {
        while true {
            let count = read(buffer)
            guard count >= 0 else { return }
            guard count >= 4 else { continue }
            let tokenLength = Int(buffer[0] & 15)
            body(
                Head(
                    type: buffer[0] >> 4 & 3, code: buffer[1],
                    messageID: UInt16(bigEndian: buffer.loadUnaligned(fromByteOffset: 2, as: UInt16.self)),
                    token: tokenLength == 4 && count >= 8
                        ? UInt32(bigEndian: buffer.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) : nil))
        }
    }
}

extension Sequence where Element == CoAPSocket {
    /// Not all at once, as a server's receive buffer is finite: an association that it does not know to be over keeps its port from another.
    func leave() {
        for (number, socket) in enumerated() {
            socket.leave()
            if number % 16 == 15 { usleep(2_000) }
        }
    }
}
