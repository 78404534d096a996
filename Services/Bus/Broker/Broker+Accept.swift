// SPDX-License-Identifier: Apache-2.0
import Bus
import CLinux
import Glibc
import Logging

extension Broker {
    /// Accepted in one tick at most, so that a storm of connects does not hold up those who are served.
    private static let acceptBatch = 64
    private static let listenAgainNanoseconds: UInt64 = 100_000_000

    func accept() {
        for _ in 0..<Self.acceptBatch {
            let descriptor = accept_connection(
                listener, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            if descriptor >= 0 {
                admit(descriptor)
                continue
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EMFILE, ENFILE: refuseForLackOfDescriptors()
            case ENOBUFS, ENOMEM: pauseListening()
            default: break
            }
            return
        }
    }

    private func admit(_ descriptor: Int32) {
        var credentials = peer_credentials()
        var length = socklen_t(MemoryLayout<peer_credentials>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else {
            return refuse(descriptor, reason: "no_credentials", uid: nil)
        }
        let allowed =
            credentials.uid == 0 || credentials.uid == geteuid()
            || configuration.allowedUserIDs.contains(credentials.uid)
        guard allowed else { return refuse(descriptor, reason: "user_not_allowed", uid: credentials.uid) }
        guard statistics.connections < configuration.maximumConnections else {
            return refuse(descriptor, reason: "too_many_connections", uid: credentials.uid)
        }
        var bytes = Int32(1 << 20)
        let size = socklen_t(MemoryLayout<Int32>.size)
        // Beyond wmem_max only root may go; either way the kernel takes what it allows.
        if setsockopt(descriptor, SOL_SOCKET, Int32(SO_SNDBUFFORCE), &bytes, size) != 0 {
            _ = setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, size)
        }
        let slot = freeSlots.popLast() ?? Int32(connections.count)
        if Int(slot) == connections.count { connections.append(nil) }
        serial &+= 1
        let connection = Connection(
            slot: slot, identity: (serial & 0xFFFF_FFFF_FFFF) << 16 | UInt64(slot), descriptor: descriptor,
            userID: credentials.uid, processID: credentials.pid, acceptedAt: now)
        connection.interest = Epoll.readable
        guard epoll.add(descriptor, interest: Epoll.readable, tag: connection.identity) else {
            freeSlots.append(slot)
            return refuse(descriptor, reason: "epoll", uid: credentials.uid)
        }
        connections[Int(slot)] = connection
        statistics.connections += 1
        statistics.connectionsAccepted += 1
    }

    private func refuse(_ descriptor: Int32, reason: String, uid: UInt32?) {
        Glibc.close(descriptor)
        statistics.connectionsRefused += 1
        statistics.refuse(reason)
        logger.warning(
            "connection refused", metadata: ["reason": "\(reason)", "uid": "\(uid.map(String.init) ?? "unknown")"])
    }

    /// Without a descriptor nothing can be accepted, and the waiting connection would keep the listener readable for ever.
    private func refuseForLackOfDescriptors() {
        if reserve >= 0 {
            Glibc.close(reserve)
            let descriptor = accept_connection(listener, Int32(SOCK_CLOEXEC.rawValue))
            if descriptor >= 0 { refuse(descriptor, reason: "no_descriptors", uid: nil) }
            reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
        }
        pauseListening()
    }

    private func pauseListening() {
        guard isListening, epoll.change(listener, interest: 0, tag: Self.listenerTag) else { return }
        isListening = false
        listenAgainAt = now + Self.listenAgainNanoseconds
    }

    func listenAgain() {
        isListening = epoll.change(listener, interest: Epoll.readable, tag: Self.listenerTag)
        if reserve < 0 { reserve = open("/dev/null", O_RDONLY | O_CLOEXEC) }
        listenAgainAt = now + Self.listenAgainNanoseconds
    }
}
