// SPDX-License-Identifier: Apache-2.0

/// What belongs to an endpoint's thread, in the hands of others who can only hand it back: to be used in what ``EndpointInbox/execute(_:)`` runs.
struct ThreadBound<Value>: @unchecked Sendable {
    private let stored: Value
    private let inbox: EndpointInbox

    /// On the endpoint's thread.
    init(_ value: Value, _ inbox: EndpointInbox) {
        stored = value
        self.inbox = inbox
    }

    /// On the endpoint's thread only.
    var value: Value {
        // What a programmer may get wrong, and nothing that comes from outside.
        assert(inbox.isCurrentThread, "used on another thread than the endpoint's")
        return stored
    }
}
