// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A decoded envelope that leaves its text and payload where they are: for consumers that want bytes, not Strings.
///
/// Everything is checked while it is made, as ``RawMessage/init(decoding:)`` does; the accessors only slice.
public struct RawMessageView: Sendable {
    /// The envelope's bytes; the view keeps them alive.
    public private(set) var buffer: ByteBuffer
    public private(set) var domain = DomainID(high: 0, low: 0)
    public private(set) var channel = ChannelID(high: 0, low: 0)
    public private(set) var publisher = ThingID(high: 0, low: 0)
    public private(set) var created: Int64 = 0
    /// Made without allocation for the known types; a message without one is binary.
    public private(set) var contentType = ContentType.octetStream
    private var subtopicRange = 0..<0
    private var transportRange = 0..<0
    private var payloadRange = 0..<0
    /// Of a message that came by MQTT; its properties share the envelope's storage.
    public private(set) var mqtt: MQTTDetails?
    /// The fields `payload` and `created`, where the other one stands right behind the one, neither is repeated, and no text lies behind them.
    private var varying: Range<Int>?

    /// Longest `protocol`: the names in use have two to four letters.
    static let maximumTransportBytes = 32

    /// Reads the readable bytes of `buffer` as one envelope.
    ///
    /// Unknown fields are skipped, of a repeated field the last one counts, as protobuf has it.
    public init(decoding buffer: ByteBuffer) throws(RawMessageError) {
        self.buffer = buffer
        var fields = Fields()
        let failure = buffer.withUnsafeReadableBytes { bytes -> RawMessageError? in
            do throws(RawMessageError) {
                try fields.read(bytes)
                if !fields.mqtt.isEmpty {
                    mqtt = try MQTTDetails(
                        UnsafeRawBufferPointer(rebasing: bytes[fields.mqtt]), in: buffer, at: fields.mqtt.lowerBound)
                }
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        domain = fields.domain
        channel = fields.channel
        publisher = fields.publisher
        created = fields.created
        contentType = fields.contentType
        subtopicRange = fields.subtopic
        transportRange = fields.transport
        payloadRange = fields.payload
        varying = fields.varying.flatMap { varying in
            max(subtopicRange.upperBound, transportRange.upperBound) <= varying.lowerBound ? varying : nil
        }
    }

    /// As ``init(decoding:)``, and quicker where the message differs from `former` in payload and time only, as consecutive ones of a publisher do.
    public init(decoding buffer: ByteBuffer, after former: RawMessageView?) throws(RawMessageError) {
        if let next = former?.next(buffer) {
            self = next
        } else {
            try self.init(decoding: buffer)
        }
    }

    /// This view with another payload and time; nil when more than that is different, or may be.
    private func next(_ buffer: ByteBuffer) -> RawMessageView? {
        guard let varying, mqtt?.properties.readableBytes ?? 0 == 0 else { return nil }
        let found = self.buffer.withUnsafeReadableBytes { former in
            buffer.withUnsafeReadableBytes { bytes -> (payload: Range<Int>, created: Int64, end: Int)? in
                guard bytes.count > varying.lowerBound,
                    Self.areEqual(former[..<varying.lowerBound], bytes[..<varying.lowerBound])
                else { return nil }
                var reader = ProtobufReader(bytes, at: varying.lowerBound)
                guard let tag = try? reader.nextTag(), tag.number == RawMessageError.Field.payload.rawValue,
                    tag.wireType == .lengthDelimited, let payload = try? reader.lengthDelimited(),
                    payload.count <= Limits.payloadBytes,
                    let tag = try? reader.nextTag(), tag.number == RawMessageError.Field.created.rawValue,
                    tag.wireType == .varint, let created = try? reader.varint(),
                    Self.areEqual(former[varying.upperBound...], bytes[reader.offset...])
                else { return nil }
                return (payload, Int64(bitPattern: created), reader.offset)
            }
        }
        guard let found else { return nil }
        var next = self
        next.buffer = buffer
        next.payloadRange = found.payload
        next.created = found.created
        next.varying = varying.lowerBound..<found.end
        return next
    }

    private static func areEqual(_ left: Slice<UnsafeRawBufferPointer>, _ right: Slice<UnsafeRawBufferPointer>) -> Bool
    {
        let (left, right) = (UnsafeRawBufferPointer(rebasing: left), UnsafeRawBufferPointer(rebasing: right))
        guard left.count == right.count else { return false }
        guard let leftBase = left.baseAddress, let rightBase = right.baseAddress else { return left.isEmpty }
        return memcmp(leftBase, rightBase, left.count) == 0
    }

    /// Shares the envelope's storage.
    public var payload: ByteBuffer {
        buffer.getSlice(at: buffer.readerIndex + payloadRange.lowerBound, length: payloadRange.count) ?? ByteBuffer()
    }

    public var transport: Transport { Transport(rawValue: text(transportRange)) }

    public var subtopic: String { text(subtopicRange) }

    /// Calls `body` with the subtopic's bytes: dotted form, UTF-8, without control characters.
    public func withSubtopic<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withBytes(subtopicRange, body)
    }

    /// Calls `body` with the bytes of the protocol's name.
    public func withTransport<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withBytes(transportRange, body)
    }

    /// Calls `body` with the payload's bytes.
    public func withPayload<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withBytes(payloadRange, body)
    }

    private func text(_ range: Range<Int>) -> String {
        withBytes(range) { String(decoding: $0, as: UTF8.self) }
    }

    private func withBytes<Result>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        buffer.withUnsafeReadableBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
}

extension RawMessageView {
    /// What is found while reading: ranges count from the first readable byte.
    private struct Fields {
        var domain = DomainID(high: 0, low: 0)
        var channel = ChannelID(high: 0, low: 0)
        var publisher = ThingID(high: 0, low: 0)
        var created: Int64 = 0
        var contentType = ContentType.octetStream
        var subtopic = 0..<0
        var transport = 0..<0
        var payload = 0..<0
        var mqtt = 0..<0
        /// A bit for each field that was there.
        var seen: UInt32 = 0
        var varying: Range<Int>?

        mutating func read(_ bytes: UnsafeRawBufferPointer) throws(RawMessageError) {
            var reader = ProtobufReader(bytes)
            var payloadField = 0..<0
            while true {
                let start = reader.offset
                guard let tag = try reader.nextTag() else { break }
                guard let field = RawMessageError.Field(rawValue: tag.number) else {
                    try reader.skip(tag)
                    continue
                }
                let isRepeated = seen & 1 << field.rawValue != 0
                seen |= 1 << field.rawValue
                if field == .created {
                    guard tag.wireType == .varint else { throw .wrongWireType(field) }
                    created = Int64(bitPattern: try reader.varint())
                    let isBehindPayload = !isRepeated && start == payloadField.upperBound
                    varying = isBehindPayload ? payloadField.lowerBound..<reader.offset : nil
                    continue
                }
                guard tag.wireType == .lengthDelimited else { throw .wrongWireType(field) }
                let range = try reader.lengthDelimited()
                if field == .payload {
                    payloadField = start..<reader.offset
                    if isRepeated { varying = nil }
                }
                try take(field, range, UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
            // proto3 leaves empty values out: only these may not be.
            for field in [RawMessageError.Field.channel, .domain, .publisher, .transport]
            where seen & 1 << field.rawValue == 0 {
                throw .missing(field)
            }
        }

        private mutating func take(
            _ field: RawMessageError.Field, _ range: Range<Int>, _ bytes: UnsafeRawBufferPointer
        ) throws(RawMessageError) {
            switch field {
            case .channel: channel = try identifier(bytes, field)
            case .domain: domain = try identifier(bytes, field)
            case .publisher: publisher = try identifier(bytes, field)
            case .subtopic:
                try checkText(bytes, field, limit: Limits.subtopicBytes)
                subtopic = range
            case .transport:
                guard !bytes.isEmpty else { throw .missing(field) }
                try checkText(bytes, field, limit: maximumTransportBytes)
                transport = range
            case .payload:
                guard bytes.count <= Limits.payloadBytes else { throw .tooLong(field) }
                payload = range
            case .mqtt:
                // Beside the properties: two numbers of nine bytes, flags and lengths.
                guard bytes.count <= Limits.mqttPropertiesBytes + 32 else { throw .tooLong(field) }
                mqtt = range
            case .contentType:
                guard !bytes.isEmpty else {
                    contentType = .octetStream
                    return
                }
                guard bytes.count <= ContentType.maximumMediaTypeBytes else { throw .tooLong(field) }
                guard let type = ContentType(mediaType: bytes) else { throw .invalidText(field) }
                contentType = type
            case .created: throw .wrongWireType(field)
            }
        }

        private func identifier<Kind>(
            _ bytes: UnsafeRawBufferPointer, _ field: RawMessageError.Field
        ) throws(RawMessageError) -> Identifier<Kind> {
            guard let identifier = Identifier<Kind>(utf8: bytes) else { throw .invalidIdentifier(field) }
            return identifier
        }

        private func checkText(
            _ bytes: UnsafeRawBufferPointer, _ field: RawMessageError.Field, limit: Int
        ) throws(RawMessageError) {
            guard bytes.count <= limit else { throw .tooLong(field) }
            guard UTF8Validation.isValidText(bytes) else { throw .invalidText(field) }
        }
    }
}
