// SPDX-License-Identifier: Apache-2.0
import Crypto
import NIOCore
import Synchronization

/// 128 bits that stand for a message.
struct MessageDigest: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    /// - Parameter salt: what else belongs to it.
    init(topic: String, payload: ByteBuffer, salt: String = "") {
        var hash = SHA256()
        // Lengths in front, so that no two messages read the same.
        for part in [salt, topic] {
            withUnsafeBytes(of: UInt64(part.utf8.count).littleEndian) { hash.update(bufferPointer: $0) }
            var part = part
            part.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        }
        payload.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        let (high, low) = hash.finalize().withUnsafeBytes { bytes in
            (
                bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
        self.high = high
        self.low = low
    }

    /// 32 hexadecimal digits.
    var text: String {
        [high, low].map { number in
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

/// What was sent to a remote that will send it back, as MQTT 3.1.1 has neither user properties nor "no local" for two clients: topic and payload of each
/// message, until it has come back or a minute has passed. Bounded: the oldest are forgotten first.
final class EchoMemory: Sendable {
    static let seconds: Int64 = 60
    static let maximumMessages = 100_000

    private struct State {
        var counts: [MessageDigest: Int] = [:]
        /// In the order of sending; some of them have come back already.
        var sent: [(digest: MessageDigest, at: Int64)] = []
        var first = 0
    }

    private let state = Mutex(State())

    /// - Parameter now: nanoseconds since 1970.
    func sent(_ topic: String, _ payload: ByteBuffer, at now: Int64) {
        let digest = MessageDigest(topic: topic, payload: payload)
        state.withLock { state in
            Self.forget(&state, before: now - Self.seconds * 1_000_000_000)
            state.counts[digest, default: 0] += 1
            state.sent.append((digest, now))
        }
    }

    /// Whether it is one that was sent; each counts once.
    func comesBack(_ topic: String, _ payload: ByteBuffer, at now: Int64) -> Bool {
        let digest = MessageDigest(topic: topic, payload: payload)
        return state.withLock { state in
            Self.forget(&state, before: now - Self.seconds * 1_000_000_000)
            guard let count = state.counts[digest] else { return false }
            state.counts[digest] = count > 1 ? count - 1 : nil
            return true
        }
    }

    private static func forget(_ state: inout State, before limit: Int64) {
        while state.first < state.sent.count,
            state.sent[state.first].at < limit || state.sent.count - state.first >= maximumMessages
        {
            let digest = state.sent[state.first].digest
            if let count = state.counts[digest] { state.counts[digest] = count > 1 ? count - 1 : nil }
            state.first += 1
        }
        if state.first > 1_024, state.first * 2 > state.sent.count {
            state.sent.removeFirst(state.first)
            state.first = 0
        }
    }
}
