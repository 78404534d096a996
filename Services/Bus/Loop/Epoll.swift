// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A system call that failed.
struct SystemError: Error, CustomStringConvertible {
    let call: String
    let number: Int32

    init(_ call: String, _ number: Int32 = errno) {
        self.call = call
        self.number = number
    }

    var description: String { "\(call): \(String(cString: strerror(number)))" }
}

/// Level-triggered readiness of descriptors, each known by a 64-bit tag.
struct Epoll: ~Copyable {
    static let readable: UInt32 = EPOLLIN.rawValue
    static let writable: UInt32 = EPOLLOUT.rawValue
    static let broken: UInt32 = EPOLLERR.rawValue | EPOLLHUP.rawValue
    /// What arrived on that many connections becomes one group commit: with fewer, a thousand publishers would wait for several.
    private static let batch: Int32 = 1024

    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(SystemError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        events = .allocate(capacity: Int(Self.batch))
        guard descriptor >= 0 else { throw SystemError("epoll_create1") }
    }

    deinit {
        close(descriptor)
        events.deallocate()
    }

    func add(_ fd: Int32, interest: UInt32, tag: UInt64) -> Bool { control(EPOLL_CTL_ADD, fd, interest, tag) }

    func change(_ fd: Int32, interest: UInt32, tag: UInt64) -> Bool { control(EPOLL_CTL_MOD, fd, interest, tag) }

    private func control(_ operation: Int32, _ fd: Int32, _ interest: UInt32, _ tag: UInt64) -> Bool {
        var event = epoll_event()
        event.events = interest
        event.data.u64 = tag
        return epoll_ctl(descriptor, operation, fd, &event) == 0
    }

    /// Waits and calls `body` with each ready descriptor's tag and what it is ready for.
    func wait(milliseconds: Int32, _ body: (_ tag: UInt64, _ ready: UInt32) -> Void) {
        let count = epoll_wait(descriptor, events, Self.batch, milliseconds)
        guard count > 0 else { return }
        for index in 0..<Int(count) { body(events[index].data.u64, events[index].events) }
    }
}
