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
    /// Of a message that came by MQTT.
    public var mqtt: MQTTDetails?

    public init(
        domain: DomainID, channel: ChannelID, subtopic: String, publisher: ThingID, transport: Transport,
        contentType: ContentType, created: Int64, payload: ByteBuffer,
        mqtt: MQTTDetails? = nil
    ) {
        self.domain = domain
        self.channel = channel
        self.subtopic = subtopic
        self.publisher = publisher
        self.transport = transport
        self.contentType = contentType
        self.created = created
        self.payload = payload
        self.mqtt = mqtt
    }
}
