// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Ports on loopback that nothing listens on.
///
/// They are taken below 32768, where the kernel's ephemeral client ports begin: a client's port can take the place of a server that is
/// being restarted. Programs that can bind port 0 and say what they got should do that instead.
public enum FreePort {
    private static let given = Mutex(Set<Int>())

    /// A port that is free for TCP and for UDP now and that was not given to anyone in this process before.
    public static func next() throws -> Int {
        for _ in 0..<2000 {
            let port = Int.random(in: 15_000..<32_000)
            guard given.withLock({ $0.insert(port).inserted }) else { continue }
            if isFree(port, kind: SOCK_STREAM), isFree(port, kind: SOCK_DGRAM) { return port }
        }
        throw SystemError(call: "no free port", code: EADDRINUSE)
    }

    /// As ``next()``, and the one behind it is free, too.
    public static func pair() throws -> Int {
        for _ in 0..<100 {
            let port = try next()
            let isOurs = given.withLock { $0.insert(port + 1).inserted }
            if isOurs, isFree(port + 1, kind: SOCK_STREAM), isFree(port + 1, kind: SOCK_DGRAM) { return port }
        }
        throw SystemError(call: "no two free ports", code: EADDRINUSE)
    }

    private static func isFree(_ port: Int, kind: __socket_type) -> Bool {
        let descriptor = socket(AF_INET, Int32(kind.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
