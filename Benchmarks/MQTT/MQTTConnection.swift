// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation

/// A client's socket, which never blocks, and what of its input is not a whole packet yet.
final class MQTTConnection {
    /// What all connections of a thread read into.
    final class Input {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)

        deinit { bytes.deallocate() }
    }

    let descriptor: Int32
    /// False once the peer has hung up or sent what cannot be read.
    private(set) var isOpen = true
    private var rest: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// One write.
    ///
    /// - Returns: how many bytes the kernel took.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        let sent = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        if sent < 0, errno != EAGAIN, errno != EINTR { isOpen = false }
        return max(sent, 0)
    }

    /// One read.
    ///
    /// - Parameter packet: as in `MQTTPacket.scan`.
    /// - Returns: the bytes of all packets that were whole, which are valid until the next read into `input`.
    @inline(__always) @discardableResult
    func receive(
        _ input: Input, _ packet: (_ head: UInt8, _ content: UnsafeRawBufferPointer) -> Void
    ) -> UnsafeRawBufferPointer {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let kept = rest.count
        guard kept < input.bytes.count, let base = input.bytes.baseAddress else {
            isOpen = false
            return nothing
        }
        if kept > 0 { input.bytes.copyBytes(from: rest) }
        let count = recv(descriptor, base + kept, input.bytes.count - kept, 0)
        guard count > 0 else {
            if count == 0 || (errno != EAGAIN && errno != EINTR) { isOpen = false }
            return nothing
        }
        let all = UnsafeRawBufferPointer(rebasing: input.bytes[..<(kept + count)])
        guard let used = MQTTPacket.scan(all, packet) else {
            isOpen = false
            return nothing
        }
        rest.removeAll(keepingCapacity: true)
        if used < all.count { rest += all[used...] }
        return UnsafeRawBufferPointer(rebasing: all[..<used])
    }
}
