// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What MQTT says of a message beside what every protocol says: it travels in the envelope's field `mqtt`, for other MQTT subscribers.
public struct MQTTDetails: Sendable, Equatable {
    /// With which it was published: 0 to 2.
    public var qos: UInt8
    public var retain: Bool
    /// The session that published it: a subscriber may ask not to get its own messages (MQTT 5 section 3.8.3.1); 0: none.
    public var session: UInt64
    /// The properties of MQTT 5 that a server passes on (section 3.3.2.3), in their wire form, without the property length.
    public var properties: ByteBuffer

    public init(
        qos: UInt8, retain: Bool = false, session: UInt64 = 0, properties: ByteBuffer = ByteBuffer()
    ) {
        self.qos = qos
        self.retain = retain
        self.session = session
        self.properties = properties
    }

    /// Fields of the message `Mqtt` in `RawMessage.proto`.
    enum Field: UInt32 {
        case flags = 1
        case session = 3
        case properties = 4
    }

    /// QoS in the low two bits, retain above.
    var flags: UInt8 { min(qos, 2) | (retain ? 4 : 0) }

    /// - Parameter bytes: a message `Mqtt`, the `range` of `buffer`'s readable bytes.
    init(_ bytes: UnsafeRawBufferPointer, in buffer: ByteBuffer, at start: Int) throws(RawMessageError) {
        self.init(qos: 0)
        var reader = ProtobufReader(bytes)
        while let tag = try reader.nextTag() {
            switch (Field(rawValue: tag.number), tag.wireType) {
            case (.flags, .varint):
                let flags = try reader.varint()
                qos = UInt8(min(flags & 3, 2))
                retain = flags & 4 != 0
            case (.session, .fixed64): session = try reader.fixed64()
            case (.properties, .lengthDelimited):
                let range = try reader.lengthDelimited()
                properties =
                    buffer.getSlice(at: buffer.readerIndex + start + range.lowerBound, length: range.count)
                    ?? ByteBuffer()
            case (nil, _): try reader.skip(tag)
            case (.some, _): throw .wrongWireType(.mqtt)
            }
        }
    }
}
