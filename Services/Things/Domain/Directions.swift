// SPDX-License-Identifier: Apache-2.0
import Core

/// What a connection lets a thing do on a channel.
struct Directions: OptionSet, Sendable, Hashable {
    let rawValue: UInt8

    init(rawValue: UInt8) { self.rawValue = rawValue }

    static let publish = Directions(rawValue: 1)
    static let subscribe = Directions(rawValue: 2)
    static let both: Directions = [.publish, .subscribe]

    /// From the words of a request; absent means both.
    /// - Throws: `malformed` for another word or an empty list.
    init(words: [String]?) throws(ServiceError) {
        guard let words else {
            self = .both
            return
        }
        self = []
        for word in words {
            switch word {
            case "publish": insert(.publish)
            case "subscribe": insert(.subscribe)
            default:
                throw ServiceError(
                    .malformed, reason: "invalid-type", "each of 'types' must be 'publish' or 'subscribe'")
            }
        }
        guard !isEmpty else {
            throw ServiceError(.malformed, reason: "invalid-type", "'types' must not be empty; leave it out for both")
        }
    }
}
