// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore

/// Keeps what must outlive the process: sessions with their subscriptions, what waits or is in flight for them, retained messages, and how far the stream of
/// messages has been followed for them.
///
/// One commit is one transaction, synced to disk before its completion is called; commits that wait for each other share one. Reads see every commit that was
/// handed over before them.
package protocol SessionStore: Sendable {
    /// Everything but the queues' messages. Called once, before anything else.
    func load() async throws(SessionStoreError) -> StoredState

    /// Makes the changes in their order, all or none of them.
    ///
    /// - Parameter completion: called once, on any thread, in the order of the commits; must not block.
    func commit(
        _ changes: [StoreChange], completion: @escaping @Sendable (Result<Void, SessionStoreError>) -> Void)

    /// What waits for a session, in order, from behind `order`.
    ///
    /// - Parameters:
    ///   - maximumBytes: of envelopes; at least one entry is read whatever its size.
    ///   - completion: called once, on any thread.
    func entries(
        of session: SessionNumber, after order: UInt64, maximumBytes: Int,
        completion: @escaping @Sendable (Result<[StoredEntry], SessionStoreError>) -> Void)

    /// Waits for what was handed over, then closes.
    func close() async
}

package enum SessionStoreError: Error, Equatable, Sendable {
    /// The disk is full; nothing of the commit was kept.
    case full
    /// Another failure, with the library's text for the log.
    case failed(String)
    case closed
}

/// A session's number: chosen at random, never 0, never used again.
package struct SessionNumber: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static func random() -> SessionNumber { SessionNumber(rawValue: .random(in: 1 ... .max)) }
}

/// What is kept of a session itself.
package struct StoredSession: Equatable, Sendable {
    package var number: SessionNumber
    package var thing: ThingID
    package var domain: DomainID
    /// A client identifier means something within its thing only.
    package var clientIdentifier: String
    /// Of its last connection.
    package var version: ProtocolVersion
    /// Seconds from the end of the connection; `SessionExpiry.never`: for ever.
    package var expirySeconds: UInt32
    /// Nanoseconds since 1970 at which the connection ended; nil: there was one when this was written.
    package var closedAt: Int64?
    package var will: StoredWill?

    package init(
        number: SessionNumber, thing: ThingID, domain: DomainID, clientIdentifier: String, version: ProtocolVersion,
        expirySeconds: UInt32, closedAt: Int64? = nil, will: StoredWill? = nil
    ) {
        self.number = number
        self.thing = thing
        self.domain = domain
        self.clientIdentifier = clientIdentifier
        self.version = version
        self.expirySeconds = expirySeconds
        self.closedAt = closedAt
        self.will = will
    }
}

/// A will that is still to be published, or to be let go of.
package struct StoredWill: Equatable, Sendable {
    /// The whole PUBLISH of MQTT 5, with the packet identifier 1 where it has one.
    package var publish: ByteBuffer
    /// Seconds from the end of the connection (MQTT 5 section 3.1.3.2.2).
    package var delaySeconds: UInt32

    package init(publish: ByteBuffer, delaySeconds: UInt32) {
        self.publish = publish
        self.delaySeconds = delaySeconds
    }
}

package struct StoredSubscription: Equatable, Sendable {
    /// As it was sent, with `$share` if it is shared: the key within the session.
    package var filter: String
    /// The options byte of MQTT 5.
    package var options: UInt8
    /// 0: none.
    package var identifier: UInt32
    /// What a filter that names one channel was found to name when it was made.
    package var channel: ChannelID?

    package init(filter: String, options: UInt8, identifier: UInt32, channel: ChannelID?) {
        self.filter = filter
        self.options = options
        self.identifier = identifier
        self.channel = channel
    }
}

/// A QoS 2 message that a client published and has not released.
package struct StoredReception: Equatable, Sendable {
    package var packetIdentifier: UInt16
    /// Under which it was, or is about to be, handed to the bus.
    package var messageID: String
    /// Whether the bus has it for certain.
    package var isStored: Bool
    /// Where the stream stood before it was handed over: from there on it can be looked for.
    package var position: UInt64

    package init(packetIdentifier: UInt16, messageID: String, isStored: Bool, position: UInt64) {
        self.packetIdentifier = packetIdentifier
        self.messageID = messageID
        self.isStored = isStored
        self.position = position
    }
}

/// One message that waits for a session, or is in flight to it.
package struct StoredEntry: Equatable, Sendable {
    /// Position in the session's queue: grows, unique within the session.
    package var order: UInt64
    /// Of the message in its stream.
    package var sequence: UInt64
    package var qos: QualityOfService
    package var retain: Bool
    /// The subscriptions that it came by. Their filters say in which form the topic is sent.
    package var filter: String
    package var subscriptionIdentifiers: [UInt32]
    /// 0: it was not sent yet.
    package var packetIdentifier: UInt16
    /// Whether PUBREC came for it: it is never sent again, PUBREL is.
    package var isReleased: Bool
    /// The envelope as it lies in the stream.
    package var envelope: ByteBuffer

    package init(
        order: UInt64, sequence: UInt64, qos: QualityOfService, retain: Bool, filter: String,
        subscriptionIdentifiers: [UInt32], packetIdentifier: UInt16 = 0, isReleased: Bool = false, envelope: ByteBuffer
    ) {
        self.order = order
        self.sequence = sequence
        self.qos = qos
        self.retain = retain
        self.filter = filter
        self.subscriptionIdentifiers = subscriptionIdentifiers
        self.packetIdentifier = packetIdentifier
        self.isReleased = isReleased
        self.envelope = envelope
    }
}

/// A message that new subscribers get at once (MQTT 5 section 3.3.1.3). One for each channel and subtopic.
package struct StoredRetained: Equatable, Sendable {
    package var channel: ChannelID
    /// Dotted.
    package var subtopic: String
    package var sequence: UInt64
    package var envelope: ByteBuffer
    /// Nanoseconds since 1970; nil: it does not expire.
    package var expiresAt: Int64?

    package init(channel: ChannelID, subtopic: String, sequence: UInt64, envelope: ByteBuffer, expiresAt: Int64?) {
        self.channel = channel
        self.subtopic = subtopic
        self.sequence = sequence
        self.envelope = envelope
        self.expiresAt = expiresAt
    }
}

package struct StoredState: Sendable {
    package struct Queue: Equatable, Sendable {
        package var entries = 0
        /// Of envelopes.
        package var bytes = 0
        /// 0: nothing is queued.
        package var lastOrder: UInt64 = 0
        /// Entries that were sent, in their order, with their envelopes.
        package var inFlight: [StoredEntry] = []

        package init() {}
    }

    package var sessions: [StoredSession] = []
    package var subscriptions: [SessionNumber: [StoredSubscription]] = [:]
    package var receptions: [SessionNumber: [StoredReception]] = [:]
    package var queues: [SessionNumber: Queue] = [:]
    package var retained: [StoredRetained] = []
    /// How far the stream of messages was followed: everything up to there that some session wants is in the store or was delivered.
    package var position: StreamPosition?

    package init() {}
}

/// A change of a session that is not there, or not any more, has no effect: `session` comes first.
package enum StoreChange: Equatable, Sendable {
    /// Adds or replaces.
    case session(StoredSession)
    /// With everything that belongs to it.
    case removeSession(SessionNumber)
    /// Adds or replaces the one with its filter.
    case subscription(SessionNumber, StoredSubscription)
    case removeSubscription(SessionNumber, filter: String)
    /// Adds or replaces the one with its packet identifier.
    case reception(SessionNumber, StoredReception)
    case removeReception(SessionNumber, packetIdentifier: UInt16)
    /// Adds or replaces the one with its order. One envelope is kept for all entries of its sequence number.
    case entry(SessionNumber, StoredEntry)
    case sent(SessionNumber, order: UInt64, packetIdentifier: UInt16)
    case released(SessionNumber, order: UInt64)
    case removeEntry(SessionNumber, order: UInt64)
    case retained(StoredRetained)
    case removeRetained(ChannelID, subtopic: String)
    case position(StreamPosition)
}
