// SPDX-License-Identifier: Apache-2.0
import Crypto
import DequeModule

/// Who the other side of a TLS session was, for one that is resumed (RFC 5246 section 7.3, RFC 5077): nothing is shown again then.
///
/// By a hash of the session's master secret, which a resumed session has from the one before. Bounded; the oldest is forgotten first, and is nobody when it is
/// resumed. A process forgets all, and with it the keys by which its tickets could be read.
struct ResumedSessions {
    struct Key: Hashable {
        private let high: UInt64
        private let low: UInt64

        init(masterSecret: UnsafeRawBufferPointer) {
            let hash = SHA256.hash(data: masterSecret)
            (high, low) = hash.withUnsafeBytes { bytes in
                (
                    bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
                    bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                )
            }
        }
    }

    private let maximumEntries: Int
    private var proofs: [Key: SecureProof] = [:]
    private var order: Deque<Key> = []

    init(maximumEntries: Int = 65_536) { self.maximumEntries = max(1, maximumEntries) }

    var count: Int { proofs.count }

    mutating func remember(_ proof: SecureProof, _ key: Key) {
        if proofs.updateValue(proof, forKey: key) != nil { return }
        order.append(key)
        if order.count > maximumEntries, let oldest = order.popFirst() { proofs[oldest] = nil }
    }

    func proof(_ key: Key) -> SecureProof? { proofs[key] }
}
