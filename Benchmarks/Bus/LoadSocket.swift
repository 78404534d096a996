// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation

/// A blocking stream socket of the load generator.
final class LoadSocket: @unchecked Sendable {
    let descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    static func unix(_ path: String) throws -> LoadSocket {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return try connect(descriptor, &address, path)
    }

    static func tcp(_ port: UInt16) throws -> LoadSocket {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let result = try connect(descriptor, &address, "127.0.0.1:\(port)")
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        return result
    }

    private static func connect<Address>(_ descriptor: Int32, _ address: inout Address, _ name: String) throws
        -> LoadSocket
    {
        let result = LoadSocket(descriptor)
        let size = socklen_t(MemoryLayout<Address>.size)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) }
        }
        guard status == 0 else { throw BenchmarkFailure(description: "connect \(name): errno \(errno)") }
        result.enlargeBuffers()
        return result
    }

    /// A pair without any broker: what the kernel alone carries.
    static func pair() throws -> (LoadSocket, LoadSocket) {
        var descriptors: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0 else {
            throw BenchmarkFailure(description: "socketpair: errno \(errno)")
        }
        let sockets = (LoadSocket(descriptors[0]), LoadSocket(descriptors[1]))
        sockets.0.enlargeBuffers()
        sockets.1.enlargeBuffers()
        return sockets
    }

    /// As the broker does, so that every way is compared with the same buffers.
    private func enlargeBuffers() {
        var bytes = Int32(1 << 20)
        let size = socklen_t(MemoryLayout<Int32>.size)
        if setsockopt(descriptor, SOL_SOCKET, Int32(SO_SNDBUFFORCE), &bytes, size) != 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, size)
        }
    }

    /// - Returns: false when the peer is gone.
    func send(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let sent = Glibc.send(
                descriptor, bytes.baseAddress.map { $0 + offset }, bytes.count - offset, Int32(MSG_NOSIGNAL))
            guard sent > 0 else { return false }
            offset += sent
        }
        return true
    }

    func send(_ bytes: [UInt8]) throws {
        guard bytes.withUnsafeBytes({ send($0) }) else { throw BenchmarkFailure(description: "the broker hung up") }
    }

    func receive(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        recv(descriptor, buffer.baseAddress, buffer.count, 0)
    }

    /// Reads until the text has been seen; for handshakes.
    func receive(until text: String) throws {
        var seen: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while !String(decoding: seen, as: UTF8.self).contains(text) {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { throw BenchmarkFailure(description: "the broker hung up before '\(text)'") }
            seen += chunk[..<count]
        }
    }

    func receiveFrame() throws -> [UInt8] {
        func exactly(_ count: Int) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            var offset = 0
            while offset < count {
                let received = bytes.withUnsafeMutableBytes {
                    recv(descriptor, $0.baseAddress.map { $0 + offset }, count - offset, 0)
                }
                guard received > 0 else { throw BenchmarkFailure(description: "the bus hung up") }
                offset += received
            }
            return bytes
        }
        let head = try exactly(4)
        let length = head.reversed().reduce(0) { $0 << 8 | Int($1) }
        return head + (try exactly(length))
    }
}
