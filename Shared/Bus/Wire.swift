// SPDX-License-Identifier: Apache-2.0
import Core

/// The bus's own protocol over a Unix stream socket, version 1. Integers are little endian; text is UTF-8.
///
/// Every frame begins with `u32 length` (of what follows it) and `u8 opcode`. Frames of the data plane share one 16-byte head, so that a
/// published frame is handed to core subscribers byte for byte and runs of frames can be copied as one range:
///
///     0  u32 length           of everything behind this field
///     4  u8  opcode           publish, queueDelivery or streamDelivery
///     5  u8  flags            Wire.Flags
///     6  u16 subjectLength
///     8  u32 token            publish: the publisher's token for its acknowledgement, 0 = none wanted; receivers ignore it
///                             queueDelivery, streamDelivery: the receiver's subscription identifier
///     12 u16 replyLength
///     14 u16 headersLength
///     16 [streamDelivery only: u64 sequence, i64 storedAt, u32 deliveryCount, u32 reserved = 24 bytes]
///        subject, reply, headers, payload (the rest)
///
/// Headers: a run of `u8 type, u8 length, bytes`; see ``Wire/HeaderType``. Unknown types are carried along and ignored.
///
/// A reply subject is either in the publisher's own inbox (`inbox.<connection>.<n>`) or one that its role may publish to. Everybody may answer
/// to an inbox; `inbox.` subjects reach their connection only, never a subscription, not even one to `>`.
///
/// One reader at a time per durable consumer: a second consume takes over, the first gets failed(takenOver) with its token. A consume on
/// a connection that already reads through that consumer replaces the earlier one likewise.
///
/// A core delivery does not name the subscription: a connection receives each message once, however many of its subscriptions match, and
/// the client hands it to each of them. Queue and stream deliveries name theirs.
///
/// Control frames: `u32 length, u8 opcode, u8 flags, u16 extra, u32 token, body`; the head is 12 bytes.
///
///     client → server
///     hello        body: JSON Wire.Hello; must come first; answered by welcome, or failed and the connection is closed
///     subscribe    token = subscription identifier (chosen by the client, not 0); extra = filter length; body: filter, queue group (rest, may be empty)
///                  answered by done or failed with that token
///     unsubscribe  token = subscription identifier; ends a subscription or a consume; answered by done
///     command      token = request token; extra = Wire.Command; body: JSON; answered by done (body: JSON) or failed
///     consume      token = subscription identifier; body: JSON Wire.Consume; answered by done (body: JSON StreamState), then streamDelivery frames
///     acknowledge  token = subscription identifier; extra = Wire.Acknowledgement; body: u64 sequence [, u32 delay in milliseconds | reason]
///     ping         answered by pong with the same token and body
///
///     server → client
///     welcome      body: JSON Wire.Welcome
///     done         token; body: JSON or empty
///     failed       token; extra = Wire.Failure; body: UTF-8 text. Token 0: concerns the connection, which is then closed
///     stored       acknowledges durable publishes: token = first token, body: u32 count, u32 reserved, u64 first sequence: `count` consecutive tokens
///                  got consecutive sequence numbers. Flag duplicate: count is 1 and the sequence is that of the first publish
///     refused      token = a publish's token; extra = Wire.Failure; body: u32 retry-after in seconds, UTF-8 text
///     pong
///
/// A request with nobody listening: the requester gets a publish frame on its reply subject with ``Wire/Flags/noResponders`` and no payload.
public enum Wire {
    public static let version: UInt32 = 1
    /// Data-plane head, the length field included.
    public static let headLength = 16
    /// What a stream delivery carries between head and subject.
    public static let streamHeadLength = 24
    /// Control-plane head, the length field included.
    public static let controlHeadLength = 12

    public enum Opcode: UInt8, Sendable {
        case publish = 1
        case queueDelivery = 2
        case streamDelivery = 3

        case hello = 16
        case subscribe = 17
        case unsubscribe = 18
        case command = 19
        case consume = 20
        case acknowledge = 21
        case ping = 22

        case welcome = 32
        case done = 33
        case failed = 34
        case stored = 35
        case refused = 36
        case pong = 37
    }

    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8

        @inlinable
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// publish: wants `stored` or `refused`; the token is not 0.
        public static let durable = Flags(rawValue: 1)
        /// publish: headers hold a message identifier.
        public static let hasMessageID = Flags(rawValue: 2)
        /// server → client: nobody listens to the request's subject.
        public static let noResponders = Flags(rawValue: 4)
        /// stored: the message identifier had been seen.
        public static let duplicate = Flags(rawValue: 8)
        /// streamDelivery, last in the answer to a `read` that leaves messages out: no message, without a subject; its sequence number is the last one that was
        /// looked at, its delivery count says how many were left out.
        public static let end = Flags(rawValue: 16)
    }

    public enum HeaderType: UInt8, Sendable {
        case messageID = 1
        case traceparent = 2
        /// u64: ``BusHeaders/origin``.
        case origin = 3
        /// The remaining types are on dead letters only (subject `dead.<stream>.<consumer>`, payload as it was). Subject of the original; one
        /// longer than 255 bytes is spread over several headers of this type, in order.
        case originalSubject = 16
        /// u64: the original's sequence number in its stream.
        case originalSequence = 17
        /// Why it was given up, UTF-8, cut at 255 bytes.
        case reason = 18
        /// u32: how often it had been delivered.
        case deliveryCount = 19
        /// i64: when the original was stored, nanoseconds since 1970.
        case originalStoredAt = 20
    }

    public enum Command: UInt16, Sendable {
        /// StreamConfiguration → StreamState
        case declareStream = 1
        /// {"stream"} → StreamState
        case streamState = 2
        /// {"stream","consumer"} → ConsumerState
        case consumerState = 3
        /// {"stream","consumer"} → empty
        case deleteConsumer = 4
        /// {"stream","from","maximumBytes","waitMilliseconds","withoutOrigin","id"} → done whose body is a run of stream delivery frames, each with its
        /// length field; failed with `notFound` when an id is given and the stream's is another. At the end of the stream the answer waits for the next synced message, at most so long (and at most 10 s). With an origin, what has it in
        /// its headers is left out, and a frame marked ``Flags/end`` is the last.
        case read = 5
        /// empty → names of all streams as JSON
        case listStreams = 6
        /// empty → Wire-level counters as JSON, for operators
        case statistics = 7
    }

    public enum Acknowledgement: UInt16, Sendable {
        case one = 1
        case through = 2
        /// body: + u32 delay in milliseconds
        case redeliver = 3
        /// body: + reason as UTF-8
        case giveUp = 4
    }

    public enum Failure: UInt16, Sendable {
        case protocolViolation = 1
        case permissionDenied = 2
        case invalidSubject = 3
        case payloadTooLarge = 4
        case notCaptured = 5
        case budgetSpent = 6
        case storageFailed = 7
        case slowConsumer = 8
        case notFound = 9
        case invalidConfiguration = 10
        case unknownRole = 11
        case shuttingDown = 12
        /// A consume ended because another reader began to read through the same durable consumer.
        case takenOver = 13
    }

    public struct Hello: Codable, Sendable {
        public var version: UInt32
        /// The service's name; the bus grants it the subjects of the role of that name.
        public var name: String

        public init(version: UInt32, name: String) {
            self.version = version
            self.name = name
        }
    }

    public struct Welcome: Codable, Sendable {
        public var version: UInt32
        public var maximumPayloadBytes: Int
        /// Unique per connection and start of the bus: the client's answers come to `inbox.<connection>.<n>`, to which it is subscribed without asking.
        public var connection: String
        /// Changes at every start of the bus.
        public var instance: String

        public init(version: UInt32, maximumPayloadBytes: Int, connection: String, instance: String) {
            self.version = version
            self.maximumPayloadBytes = maximumPayloadBytes
            self.connection = connection
            self.instance = instance
        }
    }

    public struct Consume: Codable, Sendable {
        public var stream: String
        public var consumer: ConsumerConfiguration

        public init(stream: String, consumer: ConsumerConfiguration) {
            self.stream = stream
            self.consumer = consumer
        }
    }

    public struct StreamReference: Codable, Sendable {
        public var stream: String
        public var consumer: String?
        public var from: UInt64?
        public var maximumBytes: Int?
        public var waitMilliseconds: Int?
        public var withoutOrigin: UInt64?
        /// Of `read`: the stream that is meant, where it matters.
        public var id: StreamID?

        public init(
            stream: String, consumer: String? = nil, from: UInt64? = nil, maximumBytes: Int? = nil,
            waitMilliseconds: Int? = nil, withoutOrigin: UInt64? = nil, id: StreamID? = nil
        ) {
            self.stream = stream
            self.consumer = consumer
            self.from = from
            self.maximumBytes = maximumBytes
            self.waitMilliseconds = waitMilliseconds
            self.withoutOrigin = withoutOrigin
            self.id = id
        }
    }
}
