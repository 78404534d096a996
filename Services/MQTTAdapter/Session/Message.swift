// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// A message on its way to subscribers that cannot take the publisher's packet as it is: one for all of them.
///
/// What the stream brings shares the batch in which it came: whoever holds it for longer than it takes to hand it out says so by ``keep()``.
///
/// Used on the broker's event loop only.
final class Message {
    /// As it lies in the stream; of a QoS 0 message that was published here, as it went there.
    private(set) var envelope: ByteBuffer
    /// 0 for a message of QoS 0 that goes straight from publisher to subscriber.
    let sequence: UInt64
    let channel: ChannelID
    let domain: DomainID
    /// Dotted.
    let subtopic: String
    /// With which it was published. A message that came by another protocol was accepted durably and has no QoS of its own: the subscriber's decides.
    let qos: QualityOfService
    let retain: Bool
    /// The session that published it; 0: none.
    let session: UInt64
    /// Nanoseconds since 1970.
    let created: Int64
    let contentType: ContentType
    /// Of MQTT 5, in their wire form; nil when it did not come by MQTT.
    private(set) var properties: ByteBuffer?
    private(set) var payload: ByteBuffer
    /// Seconds from `created`; nil: it does not expire.
    let expirySeconds: UInt32?
    /// The envelope is a part of a larger buffer.
    private var isShared: Bool

    /// - Parameters:
    ///   - sequence: as above.
    ///   - isShared: the envelope is a part of a large buffer, which is not to be held for its sake.
    convenience init(envelope: ByteBuffer, sequence: UInt64, isShared: Bool = false) throws(RawMessageError) {
        self.init(try RawMessageView(decoding: envelope), sequence: sequence, isShared: isShared)
    }

    /// As above, of an envelope that was decoded.
    init(_ view: RawMessageView, sequence: UInt64, isShared: Bool) {
        self.isShared = isShared
        envelope = view.buffer
        self.sequence = sequence
        channel = view.channel
        domain = view.domain
        subtopic = view.subtopic
        qos = view.mqtt.flatMap { QualityOfService(rawValue: $0.qos) } ?? .exactlyOnce
        retain = view.mqtt?.retain ?? false
        session = view.mqtt?.session ?? 0
        created = view.created
        contentType = view.contentType
        properties = view.mqtt?.properties
        payload = view.payload
        expirySeconds = view.mqtt.flatMap { Self.expiry($0.properties) }
    }

    /// Copies what it shares: it is going to be held for long.
    func keep() {
        guard isShared else { return }
        var copy = ByteBuffer()
        copy.reserveCapacity(envelope.readableBytes)
        copy.writeImmutableBuffer(envelope)
        // What was decoded before can be decoded.
        guard let view = try? RawMessageView(decoding: copy) else { return }
        isShared = false
        envelope = copy
        properties = view.mqtt?.properties
        payload = view.payload
    }

    /// Whole seconds that the message has waited, for its expiry interval ([MQTT-3.3.2-6]).
    func secondsWaited(at now: Int64) -> UInt32 {
        let (waited, overflows) = now.subtractingReportingOverflow(created)
        guard !overflows, waited > 0 else { return 0 }
        return UInt32(clamping: waited / 1_000_000_000)
    }

    /// [MQTT-3.3.2-5]
    func isExpired(at now: Int64) -> Bool {
        guard let expirySeconds else { return false }
        return secondsWaited(at: now) >= expirySeconds
    }

    private static func expiry(_ properties: ByteBuffer) -> UInt32? {
        properties.withUnsafeReadableBytes { bytes in
            var reader = PropertyReader(bytes, 0..<bytes.count, place: .publish)
            // What cannot be read has no expiry, and is not passed on either.
            while let property = try? reader.next() {
                if property.identifier == .messageExpiryInterval { return property.number }
            }
            return nil
        }
    }
}
