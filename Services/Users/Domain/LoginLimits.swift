// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// Slows the guessing of passwords: failures count against the identity at the address's place, so that nobody takes another's
/// attempts, and against the address; successes do not.
struct LoginLimits: Sendable {
    private let identities: RateLimiter
    private let addresses: RateLimiter

    /// - Parameter failuresPerMinute: for one identity from one place; an address, behind which there may be a whole factory, has ten times as many.
    init(failuresPerMinute: Int) {
        identities = RateLimiter(perSecond: Double(failuresPerMinute) / 60, burst: failuresPerMinute)
        addresses = RateLimiter(perSecond: Double(failuresPerMinute) / 6, burst: failuresPerMinute * 10)
    }

    /// - Throws: `tooManyRequests`.
    func begin(identity: String, address: String) throws(ServiceError) {
        try addresses.take(address)
        do {
            try identities.take(Self.key(identity, address))
        } catch {
            addresses.giveBack(address)
            throw error
        }
    }

    /// The secret was right, or it could not be told whether it was: neither is a failure.
    func giveBack(identity: String, address: String) {
        identities.giveBack(Self.key(identity, address))
        addresses.giveBack(address)
    }

    private static func key(_ identity: String, _ address: String) -> String {
        LoginPlace(address: address).exact + " " + identity.lowercased()
    }
}
