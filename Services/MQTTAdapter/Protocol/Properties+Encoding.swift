// SPDX-License-Identifier: Apache-2.0
import NIOCore

extension Properties {
    /// Bytes of all properties, without the property length itself.
    var encodedLength: Int {
        var length = 0
        forEach { length += 1 + $1.encodedLength }
        return length
    }

    /// Writes the property length and the properties, in the order of their identifiers.
    func write(into buffer: inout ByteBuffer) {
        VariableByteInteger.write(UInt32(truncatingIfNeeded: encodedLength), into: &buffer)
        forEach { identifier, value in
            buffer.writeInteger(identifier.rawValue)
            value.write(into: &buffer)
        }
    }

    /// Without what only explains: it is left out where it would make a packet too large for its receiver ([MQTT-3.4.2-2] and its like).
    package var withoutExplanations: Properties {
        var properties = self
        properties.reasonString = nil
        properties.userProperties = []
        return properties
    }

    private enum Value {
        case byte(Bool)
        case twoBytes(UInt16)
        case fourBytes(UInt32)
        case variable(UInt32)
        case text(String)
        case binary([UInt8])
        case pair(Pair)

        var encodedLength: Int {
            switch self {
            case .byte: 1
            case .twoBytes: 2
            case .fourBytes: 4
            case .variable(let number): VariableByteInteger.length(of: number)
            case .text(let text): text.mqttLength
            case .binary(let bytes): 2 + min(bytes.count, Int(UInt16.max))
            case .pair(let pair): pair.name.mqttLength + pair.value.mqttLength
            }
        }

        func write(into buffer: inout ByteBuffer) {
            switch self {
            case .byte(let isSet): buffer.writeInteger(isSet ? 1 : 0, as: UInt8.self)
            case .twoBytes(let number): buffer.writeInteger(number)
            case .fourBytes(let number): buffer.writeInteger(number)
            case .variable(let number): VariableByteInteger.write(number, into: &buffer)
            case .text(let text): buffer.writeMQTT(text)
            case .binary(let bytes): buffer.writeMQTT(bytes)
            case .pair(let pair):
                buffer.writeMQTT(pair.name)
                buffer.writeMQTT(pair.value)
            }
        }
    }

    private func forEach(_ body: (PropertyIdentifier, Value) -> Void) {
        if let value = payloadFormatIsText { body(.payloadFormat, .byte(value)) }
        if let value = messageExpiryInterval { body(.messageExpiryInterval, .fourBytes(value)) }
        if let value = contentType { body(.contentType, .text(value)) }
        if let value = responseTopic { body(.responseTopic, .text(value)) }
        if let value = correlationData { body(.correlationData, .binary(value)) }
        for value in subscriptionIdentifiers { body(.subscriptionIdentifier, .variable(value)) }
        if let value = sessionExpiryInterval { body(.sessionExpiryInterval, .fourBytes(value)) }
        if let value = assignedClientIdentifier { body(.assignedClientIdentifier, .text(value)) }
        if let value = serverKeepAlive { body(.serverKeepAlive, .twoBytes(value)) }
        if let value = authenticationMethod { body(.authenticationMethod, .text(value)) }
        if let value = authenticationData { body(.authenticationData, .binary(value)) }
        if let value = requestProblemInformation { body(.requestProblemInformation, .byte(value)) }
        if let value = willDelayInterval { body(.willDelayInterval, .fourBytes(value)) }
        if let value = requestResponseInformation { body(.requestResponseInformation, .byte(value)) }
        if let value = responseInformation { body(.responseInformation, .text(value)) }
        if let value = serverReference { body(.serverReference, .text(value)) }
        if let value = reasonString { body(.reasonString, .text(value)) }
        if let value = receiveMaximum { body(.receiveMaximum, .twoBytes(value)) }
        if let value = topicAliasMaximum { body(.topicAliasMaximum, .twoBytes(value)) }
        if let value = topicAlias { body(.topicAlias, .twoBytes(value)) }
        if let value = maximumQoSIsOne { body(.maximumQoS, .byte(value)) }
        if let value = retainAvailable { body(.retainAvailable, .byte(value)) }
        for value in userProperties { body(.userProperty, .pair(value)) }
        if let value = maximumPacketSize { body(.maximumPacketSize, .fourBytes(value)) }
        if let value = wildcardSubscriptionAvailable { body(.wildcardSubscriptionAvailable, .byte(value)) }
        if let value = subscriptionIdentifierAvailable { body(.subscriptionIdentifierAvailable, .byte(value)) }
        if let value = sharedSubscriptionAvailable { body(.sharedSubscriptionAvailable, .byte(value)) }
    }
}

extension String {
    /// Bytes that the text takes with the two of its length, when it is cut to what a packet can say.
    var mqttLength: Int {
        let count = utf8.count
        guard count > Int(UInt16.max) else { return 2 + count }
        var copy = self
        return 2 + copy.withUTF8 { Self.mqttPrefix($0) }
    }

    /// At most 65,535 bytes, and whole characters.
    fileprivate static func mqttPrefix(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        guard bytes.count > Int(UInt16.max) else { return bytes.count }
        var end = Int(UInt16.max)
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }
}

extension ByteBuffer {
    /// Two bytes of length and the text; what is beyond 65,535 bytes, which no packet can say, is cut.
    mutating func writeMQTT(_ text: String) {
        var text = text
        text.withUTF8 { writeMQTT(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[..<String.mqttPrefix($0)]))) }
    }

    /// Two bytes of length and the bytes, cut likewise.
    mutating func writeMQTT(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { writeMQTT($0) }
    }

    @inline(__always)
    mutating func writeMQTT(_ bytes: UnsafeRawBufferPointer) {
        let count = min(bytes.count, Int(UInt16.max))
        writeInteger(UInt16(count))
        writeBytes(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    }
}
