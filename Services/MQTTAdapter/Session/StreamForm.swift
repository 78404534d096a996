// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore

/// What consecutive messages without properties have in common in the bus's form: their subject, and all of the envelope but payload and time.
final class StreamForm {
    let subject: BusSubject
    let template: RawMessageTemplate
    let contentType: ContentType
    let subtopic: String
    private let qos: QualityOfService
    /// The topic does not say what its messages are.
    private let isGuessed: Bool
    private let topic: PublishTopic
    private let domain: DomainID
    private let channel: ChannelID
    private let publisher: ThingID

    /// - Throws: ``BusError/invalidSubject(_:)``.
    init(_ incoming: Connection.Incoming, _ contentType: ContentType) throws(BusError) {
        let grant = incoming.grant
        let subtopic = incoming.path.subtopic
        subject = try BusSubject { Subjects.writeMessages(channel: grant.channel, subtopic: subtopic, into: &$0) }
        template = RawMessageTemplate(
            RawMessage(
                domain: grant.domain, channel: grant.channel, subtopic: subtopic, publisher: grant.thing,
                transport: .mqtt, contentType: contentType, created: 0, payload: ByteBuffer(),
                mqtt: MQTTDetails(
                    qos: incoming.view.qos.rawValue, session: incoming.session.number.rawValue)))
        qos = incoming.view.qos
        self.contentType = contentType
        self.subtopic = subtopic
        isGuessed = incoming.path.contentType == nil
        topic = incoming.topic
        domain = grant.domain
        channel = grant.channel
        publisher = grant.thing
    }

    /// Whether it is the form of a message on the same topic with this payload, without properties.
    @inline(__always)
    func fits(_ payload: UnsafeRawBufferPointer, _ broker: Broker, _ receivedAt: Int64) -> Bool {
        // What a topic states is checked, and refused, elsewhere.
        isGuessed && broker.guess(payload, receivedAt: receivedAt) == contentType
    }

    /// Whether it is another message's as well, of the same connection. A name may lead to another channel than before.
    func serves(_ incoming: Connection.Incoming, _ contentType: ContentType) -> Bool {
        topic === incoming.topic && qos == incoming.view.qos && self.contentType == contentType
            && channel == incoming.grant.channel
            && domain == incoming.grant.domain && publisher == incoming.grant.thing
    }
}
