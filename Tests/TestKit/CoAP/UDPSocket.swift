// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// A UDP socket on loopback. Blocking; used on a thread of its own through ``udp(port:_:)``.
///
/// `@unchecked`: it keeps nothing but the descriptor, which any thread may use.
public final class UDPSocket: @unchecked Sendable {
    /// The largest payload of a datagram over IPv4.
    public static let maximumBytes = 65_507
    /// 127.0.0.1
    public static let loopbackHost: UInt32 = 0x7F00_0001

    private let descriptor: Int32
    /// The own port.
    public let port: Int

    /// - Parameters:
    ///   - peer: whom it is connected to: only their datagrams come in. nil: anybody's.
    ///   - host: the own address, of 127.0.0.0/8: another one is another client's.
    ///   - localPort: 0: any that is free.
    public init(to peer: Int? = nil, host: UInt32 = UDPSocket.loopbackHost, localPort: Int = 0) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(call: "socket", code: errno) }
        self.descriptor = descriptor
        do {
            try Self.call("bind", descriptor, host, localPort, Glibc.bind)
            if let peer { try Self.call("connect", descriptor, Self.loopbackHost, peer, Glibc.connect) }
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let status = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            guard status == 0 else { throw SystemError(call: "getsockname", code: errno) }
            port = Int(UInt16(bigEndian: address.sin_port))
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    private static func call(
        _ name: String, _ descriptor: Int32, _ host: UInt32, _ port: Int,
        _ function: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws {
        var address = address(host, port)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                function(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw SystemError(call: name, code: errno) }
    }

    private static func address(_ host: UInt32, _ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = host.bigEndian
        return address
    }

    /// Sends a datagram to the peer, or to `port` where the socket has none. What the kernel refuses because nobody listened before is sent again.
    public func send(_ bytes: [UInt8], to port: Int? = nil) throws {
        for attempt in 0... {
            let count: Int
            if let port {
                var address = Self.address(Self.loopbackHost, port)
                count = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(
                            descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            } else {
                count = Glibc.send(descriptor, bytes, bytes.count, 0)
            }
            if count == bytes.count { return }
            // An ICMP message about an earlier datagram; asking for it has taken it away.
            guard errno == EINTR || (errno == ECONNREFUSED && attempt < 3) else {
                throw SystemError(call: "send", code: errno)
            }
        }
    }

    /// The next datagram and whose it is; nil when none came in time.
    public func receive(within time: Duration = .seconds(60)) throws -> (bytes: [UInt8], port: Int)? {
        let deadline = ContinuousClock.now + time
        var buffer = [UInt8](repeating: 0, count: Self.maximumBytes)
        while true {
            let left = max(0, ContinuousClock.now.duration(to: deadline) / .milliseconds(1))
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wanted, 1, Int32(min(left.rounded(.up), 60_000)))
            if ready == 0 { return nil }
            guard ready > 0 else {
                if errno == EINTR { continue }
                throw SystemError(call: "poll", code: errno)
            }
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    buffer.withUnsafeMutableBytes {
                        recvfrom(descriptor, $0.baseAddress, $0.count, 0, address, &length)
                    }
                }
            }
            if count >= 0 { return (Array(buffer[..<count]), Int(UInt16(bigEndian: address.sin_port))) }
            // Nobody listens at the peer's port: as if the datagram were lost, which may come yet.
            guard errno == EINTR || errno == EAGAIN || errno == ECONNREFUSED else {
                throw SystemError(call: "recvfrom", code: errno)
            }
        }
    }

    // MARK: CoAP

    public func send(_ message: CoAPDatagram) throws { try send(message.bytes) }

    /// The next message; nil when none came in time.
    public func receiveMessage(within time: Duration = .seconds(60)) throws -> CoAPDatagram? {
        guard let datagram = try receive(within: time) else { return nil }
        return try CoAPDatagram(datagram.bytes)
    }

    /// Sends a message and returns the one that comes next, whatever it is.
    public func exchange(_ message: CoAPDatagram, within time: Duration = .seconds(60)) throws -> CoAPDatagram? {
        try send(message)
        return try receiveMessage(within: time)
    }
}

/// Runs a conversation with a port of loopback on a thread of its own, so that nothing of the concurrency pool is blocked.
public func udp<Result: Sendable>(
    port: Int, localPort: Int = 0, _ body: @escaping @Sendable (UDPSocket) throws -> Result
) async throws -> Result {
    let socket = try UDPSocket(to: port, localPort: localPort)
    return try await wire(socket, body)
}
