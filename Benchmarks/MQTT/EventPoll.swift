// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation

/// epoll(7), with numbers that the caller chooses for what it watches.
final class EventPoll {
    struct Interest: OptionSet {
        let rawValue: UInt32
        static let read = Interest(rawValue: EPOLLIN.rawValue)
        static let write = Interest(rawValue: EPOLLOUT.rawValue)
    }

    private let descriptor = epoll_create1(0)
    private var events = [epoll_event](repeating: epoll_event(), count: 512)

    deinit { close(descriptor) }

    func add(_ watched: Int32, _ number: Int, _ interest: Interest) {
        control(EPOLL_CTL_ADD, watched, number, interest)
    }

    func change(_ watched: Int32, _ number: Int, _ interest: Interest) {
        control(EPOLL_CTL_MOD, watched, number, interest)
    }

    func remove(_ watched: Int32) { control(EPOLL_CTL_DEL, watched, 0, []) }

    private func control(_ operation: Int32, _ watched: Int32, _ number: Int, _ interest: Interest) {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = UInt64(number)
        epoll_ctl(descriptor, operation, watched, &event)
    }

    /// Waits for at most so many milliseconds and hands out what is ready. An error or a hang-up shows as readable.
    @inline(__always)
    func wait(_ milliseconds: Int32, _ body: (_ number: Int, _ ready: Interest) throws -> Void) rethrows {
        let count = Int(epoll_wait(descriptor, &events, Int32(events.count), milliseconds))
        guard count > 0 else { return }
        for index in 0..<count {
            var ready = Interest(rawValue: events[index].events).intersection([.read, .write])
            if ready.rawValue != events[index].events { ready.insert(.read) }
            try body(Int(events[index].data.u64), ready)
        }
    }
}
