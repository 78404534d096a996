// SPDX-License-Identifier: Apache-2.0
import Crypto
import DequeModule
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
/// message, until it has come back, or a minute after its acknowledgement. Bounded: the oldest that are acknowledged are forgotten first.
final class EchoMemory: Sendable {
    static let seconds: Int64 = 60
    static let maximumMessages = 100_000

    private struct State {
        /// What is expected back.
        var expected: [MessageDigest: Int] = [:]
        /// What has come back before its time was over.
        var returned: [MessageDigest: Int] = [:]
        /// In the order of the acknowledgements.
        var settled: Deque<(digest: MessageDigest, at: Int64)> = []
    }

    private let state = Mutex(State())

    func sent(_ topic: String, _ payload: ByteBuffer) {
        let digest = MessageDigest(topic: topic, payload: payload)
        state.withLock { $0.expected[digest, default: 0] += 1 }
    }

    /// The remote has acknowledged or refused it.
    ///
    /// - Parameter now: nanoseconds since 1970.
    func settled(_ topic: String, _ payload: ByteBuffer, at now: Int64) {
        let digest = MessageDigest(topic: topic, payload: payload)
        state.withLock { state in
            Self.forget(&state, at: now)
            state.settled.append((digest, now))
        }
    }

    /// Whether it is one that was sent; each counts once.
    func comesBack(_ topic: String, _ payload: ByteBuffer, at now: Int64) -> Bool {
        let digest = MessageDigest(topic: topic, payload: payload)
        return state.withLock { state in
            Self.forget(&state, at: now)
            guard Self.take(digest, from: &state.expected) else { return false }
            state.returned[digest, default: 0] += 1
            return true
        }
    }

    private static func forget(_ state: inout State, at now: Int64) {
        let limit = now - seconds * 1_000_000_000
        while let first = state.settled.first, first.at < limit || state.settled.count >= maximumMessages {
            state.settled.removeFirst()
            if !take(first.digest, from: &state.returned) { _ = take(first.digest, from: &state.expected) }
        }
    }

    private static func take(_ digest: MessageDigest, from counts: inout [MessageDigest: Int]) -> Bool {
        guard let count = counts[digest] else { return false }
        counts[digest] = count > 1 ? count - 1 : nil
        return true
    }
}
