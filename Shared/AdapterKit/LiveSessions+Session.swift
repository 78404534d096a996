// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Synchronization

extension LiveSessions {
    /// What one long-lived connection, or one subscription, rests on. There is one for each of them, so it is kept small.
    final class Session: Sendable {
        final class Channel: Sendable {
            let id: ChannelID
            /// As the client named it.
            let reference: ChannelAddress
            let right: AccessRight

            init(id: ChannelID, reference: ChannelAddress, right: AccessRight) {
                self.id = id
                self.reference = reference
                self.right = right
            }
        }

        /// A function as it is: one that stands in a generic type by itself is wrapped in another, at 48 bytes for each session.
        private struct Callback: Sendable {
            let call: @Sendable (ServiceError) -> Void
        }

        /// By what the thing showed who it is; nil: the session does not end with it.
        let proof: IdentityQuestion?
        /// Whether it is among those to be asked about. Used under the table's lock only, so it orders nothing.
        private let isDue = Atomic(false)
        let thing: ThingID
        /// nil: the connection as such (MQTT's CONNECT), which ends with the thing or what it showed only.
        let channel: Channel?
        /// Gone with the session: it holds what in turn holds the session.
        private let onEnd: Mutex<Callback?>

        init(
            proof: IdentityQuestion?, thing: ThingID, channel: Channel? = nil,
            onEnd: @escaping @Sendable (ServiceError) -> Void
        ) {
            self.proof = proof
            self.thing = thing
            self.channel = channel
            self.onEnd = Mutex(Callback(call: onEnd))
        }

        /// - Returns: whether it was not before.
        func markDue() -> Bool { !isDue.exchange(true, ordering: .relaxed) }

        func clearDue() { isDue.store(false, ordering: .relaxed) }

        /// Calls back, once, when it is out of the table.
        func end(_ error: ServiceError) { takeCallback()?.call(error) }

        func forget() { _ = takeCallback() }

        private func takeCallback() -> Callback? {
            onEnd.withLock { callback in
                defer { callback = nil }
                return callback
            }
        }
    }
}

extension LiveSessions.Session: Hashable {
    static func == (left: LiveSessions.Session, right: LiveSessions.Session) -> Bool { left === right }

    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
