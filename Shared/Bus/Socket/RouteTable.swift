// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A set of receivers that frames go to; equal sets are one object, so that a run of frames is recognised by identity.
final class Route {
    let receivers: [Receiver]

    init(_ receivers: [Receiver]) { self.receivers = receivers }
}

/// Which of the connection's own core subscriptions a delivered subject belongs to. For the event loop only.
///
/// Literal filters are found by hash, those with wildcards by trying each; the outcome is remembered per subject.
struct RouteTable {
    private struct Slot {
        var subject: [UInt8] = []
        var route: Route?
    }

    /// A larger table of subjects in turn only means that some are matched again.
    private static let slotCount = 4096

    private var literal: [String: [Receiver]] = [:]
    private var wildcards: [Receiver] = []
    private var slots: [Slot] = []
    private var routes: [[ObjectIdentifier]: Route] = [:]

    mutating func add(_ receiver: Receiver, filter: String) {
        if Self.hasWildcard(filter) {
            wildcards.append(receiver)
        } else {
            literal[filter, default: []].append(receiver)
        }
        forget()
    }

    mutating func remove(_ receiver: Receiver, filter: String) {
        if Self.hasWildcard(filter) {
            wildcards.removeAll { $0 === receiver }
        } else {
            literal[filter]?.removeAll { $0 === receiver }
            if literal[filter]?.isEmpty == true { literal[filter] = nil }
        }
        forget()
    }

    /// nil when no subscription matches (any more).
    mutating func route(for subject: UnsafeRawBufferPointer) -> Route? {
        if slots.isEmpty { slots = Array(repeating: Slot(), count: Self.slotCount) }
        let index = Int(truncatingIfNeeded: SubjectHash.hash(subject)) & (Self.slotCount - 1)
        if slots[index].subject.count == subject.count {
            let isEqual = slots[index].subject.withUnsafeBytes { known in
                guard let left = known.baseAddress, let right = subject.baseAddress else { return true }
                return memcmp(left, right, subject.count) == 0
            }
            if isEqual, !subject.isEmpty { return slots[index].route }
        }
        let route = match(subject)
        slots[index] = Slot(subject: Array(subject), route: route)
        return route
    }

    private mutating func match(_ subject: UnsafeRawBufferPointer) -> Route? {
        var receivers = literal[String(decoding: subject, as: UTF8.self)] ?? []
        for receiver in wildcards {
            let isMatch = receiver.filter.withUnsafeBytes { SubjectFilter.matches(filter: $0, subject: subject) }
            if isMatch { receivers.append(receiver) }
        }
        guard !receivers.isEmpty else { return nil }
        let key = receivers.map { ObjectIdentifier($0) }
        if let route = routes[key] { return route }
        if routes.count >= Self.slotCount { routes.removeAll() }
        let route = Route(receivers)
        routes[key] = route
        return route
    }

    private mutating func forget() {
        slots.removeAll()
        routes.removeAll()
    }

    private static func hasWildcard(_ filter: String) -> Bool {
        filter.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: ">") }
    }
}
