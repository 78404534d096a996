// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Glibc

/// A UDP socket of the library's, for what the library does not do with it.
struct DatagramPort {
    let descriptor: Int32
    /// What the library's events of it point to.
    let mark: UnsafeMutableRawPointer
    let isSecure: Bool

    /// 8 MiB: about ten thousand small datagrams, for the acknowledgements of as many notifications at once.
    private static let receiveBufferBytes: Int32 = 8 << 20

    /// The UDP sockets that an epoll descriptor watches: the library hands its sockets out in no other way.
    ///
    /// - Parameter securePorts: those of DTLS.
    static func all(watchedBy epoll: Int32, securePorts: Set<UInt16>) -> [DatagramPort] {
        // proc(5): `tfd: 7 events: 19 data: 55d0c0ffee01 …` for each.
        guard let file = fopen("/proc/self/fdinfo/\(epoll)", "re") else { return [] }
        defer { fclose(file) }
        var ports: [DatagramPort] = []
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let fields = text.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 6, fields[0] == "tfd:", let descriptor = Int32(fields[1]), fields[4] == "data:",
                let data = UInt(fields[5], radix: 16), let mark = UnsafeMutableRawPointer(bitPattern: data),
                option(descriptor, SO_TYPE) == Int32(SOCK_DGRAM.rawValue), let port = port(of: descriptor)
            else { continue }
            ports.append(
                DatagramPort(descriptor: descriptor, mark: mark, isSecure: securePorts.contains(port)))
        }
        return ports
    }

    private static func option(_ descriptor: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }

    private static func port(of descriptor: Int32) -> UInt16? {
        var address = coap_address_t()
        coap_address_init(&address)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            getsockname(descriptor, &pointer.pointee.addr.sa, &pointer.pointee.size)
        }
        return status == 0 ? coap_address_get_port(&address) : nil
    }

    /// As far as the system lets this process.
    func enlargeReceiveBuffer() {
        var bytes = Self.receiveBufferBytes
        let size = socklen_t(MemoryLayout<Int32>.size)
        guard setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, size) != 0 else { return }
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, size)
    }

    /// How much of the receive buffer is taken, from 0 to 1, and how many datagrams the kernel has dropped so far.
    func load() -> (fill: Double, dropped: UInt32) {
        // linux/sock_diag.h: SK_MEMINFO_RMEM_ALLOC, _RCVBUF, …, and as the ninth _DROPS.
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 9) { values in
            values.initialize(repeating: 0)
            var size = socklen_t(values.count * MemoryLayout<UInt32>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, values.baseAddress, &size) == 0, values[1] > 0 else {
                return (0, 0)
            }
            return (Double(values[0]) / Double(values[1]), values[8])
        }
    }

    /// Whose the next datagram is; nil: there is none.
    func next() -> PeerAddress? {
        var address = coap_address_t()
        coap_address_init(&address)
        var byte: UInt8 = 0
        let count = withUnsafeMutablePointer(to: &address) { pointer in
            recvfrom(
                descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT), &pointer.pointee.addr.sa,
                &pointer.pointee.size)
        }
        return count >= 0 ? PeerAddress(address) : nil
    }

    /// Has the kernel drop what comes from these networks, before it takes room in the receive buffer; and on a plain port what is of another version of
    /// CoAP (RFC 7252 section 3), which the library would answer.
    ///
    /// - Returns: false when the system does not.
    @discardableResult
    func ignore(_ networks: [PeerAddress.Network]) -> Bool {
        var instructions = PacketFilter.dropping(networks, otherVersions: !isSecure).map {
            sock_filter(code: $0.code, jt: $0.ifTrue, jf: $0.ifFalse, k: $0.value)
        }
        return instructions.withUnsafeMutableBufferPointer { buffer in
            var program = sock_fprog(len: UInt16(buffer.count), filter: buffer.baseAddress)
            let size = socklen_t(MemoryLayout<sock_fprog>.size)
            return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, size) == 0
        }
    }
}
