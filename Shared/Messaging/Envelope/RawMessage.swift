// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// What travels on the bus: one device message, as it was accepted by an adapter.
///
/// The wire form is protobuf (`RawMessage.proto`), field numbers 1 to 7 as in the later Mainflux dialect (D4), so that a consumer
/// written for it reads ours.
public struct RawMessage: Sendable, Equatable {
    public var domain: DomainID
    public var channel: ChannelID
    /// Dotted form, without the channel; empty when there is none.
    public var subtopic: String
    /// The thing that sent it. A gateway speaks for many sensors: it is the publisher, the SenML name says which sensor.
    public var publisher: ThingID
    public var transport: Transport
    public var contentType: ContentType
    /// When the adapter accepted it: nanoseconds since 1970.
    public var created: Int64
    /// At most ``Limits/payloadBytes``.
    public var payload: ByteBuffer

    public init(
        domain: DomainID, channel: ChannelID, subtopic: String, publisher: ThingID, transport: Transport,
        contentType: ContentType, created: Int64, payload: ByteBuffer
    ) {
        self.domain = domain
        self.channel = channel
        self.subtopic = subtopic
        self.publisher = publisher
        self.transport = transport
        self.contentType = contentType
        self.created = created
        self.payload = payload
    }
}

/// The protocol by which a message came in; the text is what is stored.
public struct Transport: RawRepresentable, Hashable, Sendable, Codable {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public static let http = Transport(rawValue: "http")
    public static let webSocket = Transport(rawValue: "ws")
    public static let mqtt = Transport(rawValue: "mqtt")
    public static let coap = Transport(rawValue: "coap")
}

/// What a payload is.
public enum ContentType: Hashable, Sendable {
    case senmlJSON
    case senmlCBOR
    case json
    case octetStream
    /// Any other media type: stored as binary under this name. Lower case, without parameters.
    case other(String)

    /// The media type as text (RFC 8428 section 12.3 for SenML's).
    public var mediaType: String {
        switch self {
        case .senmlJSON: "application/senml+json"
        case .senmlCBOR: "application/senml+cbor"
        case .json: "application/json"
        case .octetStream: "application/octet-stream"
        case .other(let name): name
        }
    }
}
