// SPDX-License-Identifier: Apache-2.0
import Bus
import Core

/// The messages of the stream that are on their way to a remote: which parts of each are not acknowledged, and how many may be there. A value; its owner locks it.
struct OutgoingWindow {
    /// Bytes of payload on their way, about.
    static let maximumBytes = 16 << 20

    private struct Entry {
        let sequence: UInt64
        var parts: Int
        let bytes: Int
        var refusal: String?
    }

    /// How one message of the stream ended.
    enum End: Equatable {
        case acknowledge(UInt64)
        case giveUp(UInt64, reason: String)
    }

    private let maximumMessages: Int
    private var entries: [UInt64: Entry] = [:]
    /// Which message a token belongs to.
    private var tokens: [UInt64: UInt64] = [:]
    private var nextToken: UInt64 = 1
    private(set) var bytes = 0
    private(set) var stream: StreamID?

    init(maximumMessages: Int) { self.maximumMessages = maximumMessages }

    var count: Int { tokens.count }
    var isEmpty: Bool { entries.isEmpty }
    var hasRoom: Bool { tokens.count < maximumMessages && bytes < Self.maximumBytes }

    /// What is on its way with a number in the range.
    func sequences(in range: ClosedRange<UInt64>) -> [UInt64] { entries.keys.filter(range.contains) }

    func contains(_ sequence: UInt64) -> Bool { entries[sequence] != nil }

    /// Another stream: what is on its way belongs to none any more.
    mutating func begin(_ stream: StreamID) {
        guard self.stream != stream else { return }
        if self.stream != nil {
            entries = [:]
            tokens = [:]
            bytes = 0
        }
        self.stream = stream
    }

    /// - Parameters:
    ///   - parts: copies that go out, at least one.
    /// - Returns: a token for each part.
    mutating func add(_ sequence: UInt64, parts: Int, bytes: Int) -> [UInt64] {
        entries[sequence] = Entry(sequence: sequence, parts: parts, bytes: bytes)
        self.bytes += bytes
        return (0..<parts).map { _ in
            defer { nextToken += 1 }
            tokens[nextToken] = sequence
            return nextToken
        }
    }

    /// - Returns: what is to be said to the stream, when it was the last part of its message.
    mutating func settle(_ token: UInt64, _ outcome: PublishOutcome) -> End? {
        guard let sequence = tokens.removeValue(forKey: token), var entry = entries[sequence] else { return nil }
        if case .refused(let reason) = outcome { entry.refusal = reason }
        entry.parts -= 1
        guard entry.parts == 0 else {
            entries[sequence] = entry
            return nil
        }
        entries[sequence] = nil
        bytes -= entry.bytes
        return entry.refusal.map { .giveUp(sequence, reason: $0) } ?? .acknowledge(sequence)
    }
}
