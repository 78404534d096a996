// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import DequeModule
import Messaging
import NIOCore
import Observability

/// What the server knows of a client beyond its connection (section 4.1): subscriptions, messages in flight both ways, messages that wait, the will.
///
/// Used on the broker's event loop only.
final class Session {
    /// A message that waits, or is in flight and may have to be sent again.
    struct Outgoing {
        let order: UInt64
        let message: Message
        let qos: QualityOfService
        let retain: Bool
        let form: DeliveryForm

        init(order: UInt64, message: Message, qos: QualityOfService, retain: Bool, form: DeliveryForm) {
            message.keep()
            self.order = order
            self.message = message
            self.qos = qos
            self.retain = retain
            self.form = form
        }

        var topic: [UInt8] { form.topic }
        var identifiers: [UInt32] { form.identifiers }
        var filter: String { form.filter }

        /// What it is counted as: the envelope and what surrounds it.
        var bytes: Int { Session.bytes(message.envelope) }
    }

    /// What is known of a channel that the session's filters over all channels may reach.
    enum ChannelRight {
        /// Asked for; what comes meanwhile waits, up to ``parkedBytes``.
        case asked(parked: [Parked], bytes: Int)
        case allowed(LiveSession)
        /// Until a change of rights, or for a while.
        case refused(until: Int64)
    }

    struct Parked {
        let message: Message
        let isRetained: Bool
        /// The filter of the shared subscription that it came by: another member gets it if this one may not; nil: none.
        let share: ExactText?
    }

    static let parkedBytes = 256 << 10

    static func bytes(_ envelope: ByteBuffer) -> Int { envelope.readableBytes + overhead }
    static let overhead = 96

    let number: SessionNumber
    let identity: ThingIdentity
    let clientIdentifier: String
    let broker: Broker
    var version: ProtocolVersion
    var expiry: SessionExpiry
    /// nil while there is no connection. A connection is closed before its session goes on with another.
    private(set) var connection: Connection?
    /// When the last connection ended: nanoseconds since 1970; nil: there is one.
    var closedAt: Int64?
    private var heldWill: HeldWill?
    var subscriptions = ExactTable<Subscription>()
    var channelRights: [ChannelID: ChannelRight] = [:]
    var receiver: PublishReceiver
    /// QoS 2 messages that the client published and has not released, as the store has them.
    var receptions: [UInt16: StoredReception] = [:]
    /// Those of them that were sent to the bus without an answer: it may have them, so they are not refused any more.
    var openReceptions: Set<UInt16> = []
    /// Messages of the client that the bus has not answered yet.
    var unsettled = 0
    var sender = PublishSender<Outgoing>()
    /// Sent, acknowledged by PUBREC, and not yet by PUBCOMP.
    var releasedOrders: [UInt16: UInt64] = [:]
    /// Not sent yet.
    var queue: Deque<Outgoing> = []
    var queuedBytes = 0
    var nextOrder: UInt64 = 1
    /// Entries of the queue or in flight that the store does not have.
    var unsaved: [UInt64: (entry: Outgoing, packetIdentifier: UInt16)] = [:]
    /// Whether messages wait in the store, behind those in memory.
    var isSpilled = false
    var isLoading = false
    /// The last entry that was put behind those in memory, into the store.
    var spilledOrder: UInt64 = 0
    /// The last entry that was brought back from the store.
    var loadedOrder: UInt64 = 0
    /// In the store, in memory as well or not.
    var storedEntries = 0
    var storedBytes = 0
    /// Entries that the store has and that wait in memory or are in flight: their orders, and what each is counted as.
    var storedOrders: [UInt64: Int] = [:]

    init(
        number: SessionNumber, identity: ThingIdentity, clientIdentifier: String, broker: Broker,
        version: ProtocolVersion,
        expiry: SessionExpiry, receiver: PublishReceiver
    ) {
        self.number = number
        self.identity = identity
        self.clientIdentifier = clientIdentifier
        self.broker = broker
        self.version = version
        self.expiry = expiry
        self.receiver = receiver
    }

    var key: SessionKey { SessionKey(thing: identity.thing, clientIdentifier: clientIdentifier) }

    var will: Will? {
        get { heldWill?.will }
        set { heldWill = newValue.map(HeldWill.init) }
    }

    /// When a will whose delay runs is published: nanoseconds since 1970.
    var willAt: Int64? {
        get { heldWill?.publishAt }
        set { heldWill?.publishAt = newValue }
    }

    /// Whether the client has yet to acknowledge what it was sent.
    var isOwed: Bool { sender.outstanding > 0 }

    var isConnected: Bool { connection != nil }
    /// Whether it outlives its connection, and so the process.
    var isPersistent: Bool { expiry.seconds > 0 }
    /// Whether the store has it: also one whose client has just said that it ends with its connection.
    var isKept = false

    func attach(_ connection: Connection) {
        self.connection = connection
        closedAt = nil
        willAt = nil
    }

    /// Its connection ended; what is in flight is sent again on the next.
    func detach(at now: Int64) {
        connection = nil
        closedAt = now
        sender.disconnected()
        receiver.disconnected()
        guard isPersistent else { return }
        // What waits goes to the store: nobody knows for how long.
        saveEntries()
        if !queue.isEmpty {
            isSpilled = true
            loadedOrder = queue.first.map { $0.order - 1 } ?? loadedOrder
            for outgoing in queue { storedOrders[outgoing.order] = nil }
            queue.removeAll()
            queuedBytes = 0
        }
    }
}
