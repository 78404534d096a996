// SPDX-License-Identifier: Apache-2.0
import Bus
import Core

/// One client's socket and everything that goes away with it. Used by the loop's thread only.
final class Connection {
    /// Subscriptions that one connection may hold; an adapter with a device on each would be a strange one.
    static let maximumSubscriptions = 65_536
    /// Subjects whose refusal is logged for one connection; more are counted only.
    static let maximumLoggedRefusals = 64

    let slot: Int32
    /// Slot in the low 16 bits, a serial number above: never used twice while the daemon runs.
    let identity: UInt64
    let descriptor: Int32
    let userID: UInt32
    let processID: Int32
    /// Monotonic nanoseconds.
    let acceptedAt: UInt64
    /// `inbox.<identity>.`
    let inboxPrefix: [UInt8]

    /// nil before the hello.
    var role: Role?
    var roleBit: UInt64 = 0

    var carry = InputCarry()
    var output = OutputQueue()
    /// As last counted into the broker's total.
    var countedOutput = 0
    var isDirty = false
    /// The socket took less than there was: wait until it is writable.
    var isBlocked = false
    var interest: UInt32 = 0

    /// Above the high-water mark since then (monotonic nanoseconds); 0: not.
    var congestedSince: UInt64 = 0
    /// Connections that are not read from because they publish to this one.
    var waiters: [UInt64] = []
    /// Identities of the congested connections that this one has to wait for.
    var blockers: Set<UInt64> = []

    /// A frame of it waits in `carry` for room in a stream's memory.
    var isHeld = false
    /// Has more waiting than it may: to be cut off when the loop is done with what it is at.
    var isOverflowing = false
    /// To be closed once the output is written; nothing is read any more.
    var isEnding = false
    var endingSince: UInt64 = 0
    var isClosed = false

    var subscriptions: [UInt32: Subscription] = [:]
    /// Subscription identifiers of durable consumers that are read here.
    var consumes: [UInt32: Consumer] = [:]
    var loggedRefusals: Set<String> = []

    init(slot: Int32, identity: UInt64, descriptor: Int32, userID: UInt32, processID: Int32, acceptedAt: UInt64) {
        self.slot = slot
        self.identity = identity
        self.descriptor = descriptor
        self.userID = userID
        self.processID = processID
        self.acceptedAt = acceptedAt
        inboxPrefix = Array("inbox.\(Self.text(identity)).".utf8)
    }

    var name: String { role?.name ?? "" }
    var identifier: String { Self.text(identity) }

    private static func text(_ identity: UInt64) -> String {
        let digits = String(identity, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Whether a reply subject is this connection's own.
    func owns(reply: UnsafeRawBufferPointer) -> Bool {
        reply.count > inboxPrefix.count && reply.prefix(inboxPrefix.count).elementsEqual(inboxPrefix)
    }

    /// The identity in a subject `inbox.<16 hexadecimal digits>.…`, nil when it has another form.
    static func identity(inbox subject: UnsafeRawBufferPointer) -> UInt64? {
        guard subject.count > 23, subject[22] == UInt8(ascii: ".") else { return nil }
        var identity: UInt64 = 0
        for index in 6..<22 {
            let byte = subject[index]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte &- UInt8(ascii: "a") &+ 10
            default: return nil
            }
            identity = identity << 4 | UInt64(digit)
        }
        return identity
    }
}
