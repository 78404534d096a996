// SPDX-License-Identifier: Apache-2.0

/// The durable publishes without an answer yet, found by their tokens.
///
/// Tokens are handed out consecutively, 1 to 2³² − 1 and then from 1 again (0 means that no answer is wanted), so a ring indexed by the
/// distance from the oldest one is all the table that is needed; a range of answers is a range of slots.
struct DurableWindow {
    typealias Completion = @Sendable (Result<PublishReceipt, BusError>) -> Void

    private static let tokens = UInt64(UInt32.max)

    /// A power of two long; nil where an answer came before that of an older one.
    private var slots: [Completion?] = Array(repeating: nil, count: 64)
    /// Counts on for ever; the token is its remainder. At a million a second a 64-bit counter lasts half a million years.
    private var head: UInt64 = 0
    private var tail: UInt64 = 0

    /// From the oldest one without an answer to the newest.
    var count: Int { Int(truncatingIfNeeded: tail &- head) }

    /// What the next ``append(_:)`` will be known by.
    var nextToken: UInt32 { Self.token(tail) }

    private static func token(_ position: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: position % tokens) + 1 }

    mutating func append(_ completion: @escaping Completion) {
        if count == slots.count { grow() }
        slots[index(tail)] = completion
        tail &+= 1
    }

    /// Takes out the completions of `count` consecutive tokens, in order; those that are not waited for are left out as nil.
    mutating func take(from token: UInt32, count: UInt32, into taken: inout [Completion?]) {
        guard token != 0, self.count > 0 else { return }
        let oldest = UInt64(Self.token(head))
        let distance = UInt64(token) >= oldest ? UInt64(token) - oldest : UInt64(token) + Self.tokens - oldest
        guard distance < UInt64(self.count) else { return }
        let end = min(distance + UInt64(count), UInt64(self.count))
        for offset in distance..<end {
            let slot = index(head &+ offset)
            taken.append(slots[slot])
            slots[slot] = nil
        }
        while head != tail, slots[index(head)] == nil { head &+= 1 }
    }

    /// Takes out all, oldest first.
    mutating func removeAll() -> [Completion] {
        defer { head = tail }
        var taken: [Completion] = []
        taken.reserveCapacity(count)
        for offset in 0..<UInt64(count) {
            let slot = index(head &+ offset)
            if let completion = slots[slot] { taken.append(completion) }
            slots[slot] = nil
        }
        return taken
    }

    private func index(_ position: UInt64) -> Int { Int(truncatingIfNeeded: position) & (slots.count - 1) }

    private mutating func grow() {
        var larger: [Completion?] = Array(repeating: nil, count: slots.count * 2)
        for offset in 0..<UInt64(count) {
            let position = head &+ offset
            larger[Int(truncatingIfNeeded: position) & (larger.count - 1)] = slots[index(position)]
        }
        slots = larger
    }
}
