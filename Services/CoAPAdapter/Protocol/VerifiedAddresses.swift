// SPDX-License-Identifier: Apache-2.0
import Crypto

/// The addresses and ports of which it is known that whoever sends from them also receives there: an answer to another one may be no longer than three times the
/// request, as its address may be a victim's (RFC 9175 section 2.6).
///
/// Bounded: the table keeps two halves and forgets the older when the younger is full, or after 150 s; forgotten addresses are asked again.
package struct VerifiedAddresses {
    /// An answer may be so many times as long as the request.
    package static let factor = 3
    private static let rotationNanoseconds: UInt64 = 150_000_000_000
    /// How long an Echo value is good for.
    private static let echoNanoseconds: UInt64 = 60_000_000_000

    private let halfCapacity: Int
    private let secret = SymmetricKey(size: .bits256)
    private var young: Set<PeerAddress> = []
    private var old: Set<PeerAddress> = []
    private var rotatedAt: UInt64 = 0

    package init(capacity: Int = 65_536) { halfCapacity = max(1, capacity / 2) }

    package var count: Int { young.count + old.count }

    package func contains(_ peer: PeerAddress) -> Bool { young.contains(peer) || old.contains(peer) }

    package mutating func insert(_ peer: PeerAddress, now: UInt64) {
        expire(now)
        if young.count >= halfCapacity { rotate(now) }
        young.insert(peer)
    }

    package mutating func expire(_ now: UInt64) {
        if rotatedAt &+ Self.rotationNanoseconds <= now { rotate(now) }
    }

    private mutating func rotate(_ now: UInt64) {
        old = young
        young = []
        rotatedAt = now
    }

    // MARK: Echo (RFC 9175)

    /// A value that only who receives at that address can send back: the time, and a keyed hash of it and the address. 16 bytes.
    package func echo(for peer: PeerAddress, now: UInt64) -> [UInt8] {
        let time = withUnsafeBytes(of: now.bigEndian) { Array($0) }
        return time + code(peer, time)
    }

    /// Whether a client has sent back what it was given.
    package func isGood(_ echo: [UInt8], of peer: PeerAddress, now: UInt64) -> Bool {
        guard echo.count == 16 else { return false }
        let time = Array(echo.prefix(8))
        let givenAt = time.reduce(0) { $0 << 8 | UInt64($1) }
        guard givenAt <= now, now - givenAt <= Self.echoNanoseconds else { return false }
        // In a time that does not depend on where they differ.
        return zip(code(peer, time), echo.suffix(8)).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private func code(_ peer: PeerAddress, _ time: [UInt8]) -> [UInt8] {
        var hash = HMAC<SHA256>(key: secret)
        hash.update(data: time)
        for number in [peer.high, peer.low, UInt64(peer.port)] {
            hash.update(data: withUnsafeBytes(of: number.bigEndian) { Array($0) })
        }
        return Array(hash.finalize().prefix(8))
    }
}
