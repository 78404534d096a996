// SPDX-License-Identifier: Apache-2.0
import Messaging

/// One subscription of the core plane.
struct Subscription: Hashable, Sendable {
    /// The connection's place in the broker's table.
    let slot: Int32
    /// The identifier that the client chose.
    let identifier: UInt32
    /// Well-formed (`SubjectFilter.isValidFilter`).
    let filter: String
    /// Empty: none.
    let queueGroup: String

    /// True when the filter names exactly one subject.
    var isLiteral: Bool {
        var filter = filter
        return filter.withUTF8 { !SubjectFilter.hasWildcard(UnsafeRawBufferPointer($0)) }
    }
}

/// All subscriptions by the tokens of their filters: finds what matches a subject in time proportional to the subject's depth.
struct SubscriptionTrie {
    private final class Node {
        var children: [[UInt8]: Node] = [:]
        var one: Node?
        /// Filters that end in `>` here.
        var rest: [Subscription] = []
        /// Filters that end here.
        var here: [Subscription] = []

        var isEmpty: Bool { children.isEmpty && one == nil && rest.isEmpty && here.isEmpty }
    }

    private let root = Node()
    private(set) var count = 0

    mutating func insert(_ subscription: Subscription) {
        var node = root
        for token in Self.tokens(subscription.filter) {
            switch token {
            case Self.rest:
                node.rest.append(subscription)
                count += 1
                return
            case Self.one:
                if node.one == nil { node.one = Node() }
                node = node.one ?? node
            default:
                if let child = node.children[token] {
                    node = child
                } else {
                    let child = Node()
                    node.children[token] = child
                    node = child
                }
            }
        }
        node.here.append(subscription)
        count += 1
    }

    mutating func remove(_ subscription: Subscription) {
        if remove(subscription, Self.tokens(subscription.filter)[...], at: root) { count -= 1 }
    }

    private static let one = [UInt8(ascii: "*")]
    private static let rest = [UInt8(ascii: ">")]

    private static func tokens(_ filter: String) -> [[UInt8]] {
        filter.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map(Array.init)
    }

    /// Removes empty nodes on the way back, so that subscriptions that come and go leave nothing behind.
    private func remove(_ subscription: Subscription, _ tokens: ArraySlice<[UInt8]>, at node: Node) -> Bool {
        guard let token = tokens.first else { return Self.take(subscription, from: &node.here) }
        if token == Self.rest { return Self.take(subscription, from: &node.rest) }
        guard let child = token == Self.one ? node.one : node.children[token] else { return false }
        let found = remove(subscription, tokens.dropFirst(), at: child)
        guard child.isEmpty else { return found }
        if token == Self.one { node.one = nil } else { node.children[token] = nil }
        return found
    }

    private static func take(_ subscription: Subscription, from list: inout [Subscription]) -> Bool {
        guard let index = list.firstIndex(of: subscription) else { return false }
        list.swapAt(index, list.count - 1)
        list.removeLast()
        return true
    }

    /// Calls `body` with every subscription whose filter matches the well-formed subject.
    func forEachMatch(_ subject: UnsafeRawBufferPointer, _ body: (Subscription) -> Void) {
        match(root, subject, from: 0, body)
    }

    private func match(_ node: Node, _ subject: UnsafeRawBufferPointer, from start: Int, _ body: (Subscription) -> Void)
    {
        for subscription in node.rest { body(subscription) }
        var end = start
        while end < subject.count, subject[end] != UInt8(ascii: ".") { end += 1 }
        let token = Array(subject[start..<end])
        for next in [node.children[token], node.one] {
            guard let next else { continue }
            if end == subject.count {
                for subscription in next.here { body(subscription) }
            } else {
                match(next, subject, from: end + 1, body)
            }
        }
    }
}
