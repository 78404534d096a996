// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// CONNECT (section 3.1).
package struct Connect: Equatable, Sendable {
    package var version: ProtocolVersion
    /// Clean Session in MQTT 3.1.1.
    package var cleanStart: Bool
    /// Seconds; 0: none.
    package var keepAlive: UInt16
    /// May be empty: the server assigns one.
    package var clientIdentifier: String
    package var will: Will?
    package var userName: String?
    package var password: [UInt8]?
    /// MQTT 5.
    package var properties = Properties()

    package init(
        version: ProtocolVersion, cleanStart: Bool = true, keepAlive: UInt16 = 0, clientIdentifier: String = "",
        will: Will? = nil, userName: String? = nil, password: [UInt8]? = nil, properties: Properties = Properties()
    ) {
        self.version = version
        self.cleanStart = cleanStart
        self.keepAlive = keepAlive
        self.clientIdentifier = clientIdentifier
        self.will = will
        self.userName = userName
        self.password = password
        self.properties = properties
    }
}

/// The message that a server publishes when a connection ends unexpectedly (section 3.1.2.5).
package struct Will: Equatable, Sendable {
    package var topic: String
    package var payload: ByteBuffer
    package var qos: QualityOfService
    package var retain: Bool
    /// MQTT 5.
    package var properties: Properties

    package init(
        topic: String, payload: ByteBuffer, qos: QualityOfService = .atMostOnce, retain: Bool = false,
        properties: Properties = Properties()
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.properties = properties
    }
}

extension Connect {
    private struct Flags {
        let byte: UInt8
        var cleanStart: Bool { byte & 0x02 != 0 }
        var will: Bool { byte & 0x04 != 0 }
        var willRetain: Bool { byte & 0x20 != 0 }
        var password: Bool { byte & 0x40 != 0 }
        var userName: Bool { byte & 0x80 != 0 }

        func willQoS() throws(Violation) -> QualityOfService {
            guard let qos = QualityOfService(rawValue: byte >> 3 & 3) else { throw .willQoSThree }
            return qos
        }

        func check(_ version: ProtocolVersion) throws(Violation) {
            guard byte & 1 == 0 else { throw .connectReserved }
            if !will {
                guard byte & 0x18 == 0 else { throw .willQoSWithoutWill }
                guard !willRetain else { throw .willRetainWithoutWill }
            }
            // MQTT 5 allows a password alone, for tokens.
            if version == .v311, password, !userName { throw .passwordWithoutUserName }
        }
    }

    init(_ reader: inout PacketReader, head: PacketHead) throws(Violation) {
        let name = try reader.text()
        guard reader.bytes[name].elementsEqual("MQTT".utf8) else { throw .protocolName }
        guard let version = ProtocolVersion(rawValue: try reader.byte()) else { throw .protocolLevel }
        if version == .v5, !head.isMinimal { throw .lengthNotMinimal }
        let flags = Flags(byte: try reader.byte())
        try flags.check(version)
        keepAlive = try reader.twoBytes()
        self.version = version
        cleanStart = flags.cleanStart
        if version == .v5 { properties = try Properties(&reader, place: .connect) }
        clientIdentifier = try reader.string()
        if version == .v311, clientIdentifier.isEmpty, !cleanStart { throw .emptyIdentifierKept }
        if flags.will { will = try Will(&reader, flags.willQoS(), flags.willRetain, version) }
        if flags.userName { userName = try reader.string() }
        if flags.password { password = try reader.binary() }
    }

    func write(into buffer: inout ByteBuffer) {
        buffer.writeMQTT("MQTT")
        buffer.writeInteger(version.rawValue)
        var flags: UInt8 = cleanStart ? 0x02 : 0
        if let will { flags |= 0x04 | will.qos.rawValue << 3 | (will.retain ? 0x20 : 0) }
        if password != nil { flags |= 0x40 }
        if userName != nil { flags |= 0x80 }
        buffer.writeInteger(flags)
        buffer.writeInteger(keepAlive)
        if version == .v5 { properties.write(into: &buffer) }
        buffer.writeMQTT(clientIdentifier)
        if let will {
            if version == .v5 { will.properties.write(into: &buffer) }
            buffer.writeMQTT(will.topic)
            will.payload.withUnsafeReadableBytes { buffer.writeMQTT($0) }
        }
        if let userName { buffer.writeMQTT(userName) }
        if let password { buffer.writeMQTT(password) }
    }
}

extension Will {
    fileprivate init(
        _ reader: inout PacketReader, _ qos: QualityOfService, _ retain: Bool, _ version: ProtocolVersion
    ) throws(Violation) {
        properties = version == .v5 ? try Properties(&reader, place: .will) : Properties()
        let range = try reader.field()
        try TopicRules.check(name: UnsafeRawBufferPointer(rebasing: reader.bytes[range]))
        guard !range.isEmpty else { throw .emptyTopic }
        topic = reader.string(in: range)
        payload = ByteBuffer(bytes: reader.bytes[try reader.field()])
        self.qos = qos
        self.retain = retain
    }
}
