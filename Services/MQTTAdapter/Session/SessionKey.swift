// SPDX-License-Identifier: Apache-2.0
import Core

/// Whose session it is: client identifiers mean something within their thing only, so that no tenant can take another's session over.
struct SessionKey: Hashable, Sendable {
    let thing: ThingID
    let clientIdentifier: String

    static func == (left: Self, right: Self) -> Bool {
        left.thing == right.thing && ExactText(left.clientIdentifier) == ExactText(right.clientIdentifier)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(thing)
        hasher.combine(ExactText(clientIdentifier))
    }
}
