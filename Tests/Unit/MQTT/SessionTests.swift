// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import TestKit
import Testing

/// Topic aliases, keep-alive and expiry.
@Suite struct SessionTests {
    private static let second: Int64 = 1_000_000_000

    private func bytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try Array(text.utf8).withUnsafeBytes(body)
    }

    @Test("[MQTT-3.3.2-12] [MQTT-3.3.2-8] [MQTT-3.3.2-9] aliases from 1 to the maximum are taken, and may be set anew")
    func inboundAliases() throws {
        var aliases = InboundTopicAliases(maximum: 3)
        func resolve(_ alias: UInt16, _ topic: String) throws -> String {
            String(decoding: try bytes(topic) { try aliases.resolve(alias, topic: $0) }, as: UTF8.self)
        }
        #expect(throws: Violation.unknownAlias) { try resolve(1, "") }
        #expect(try resolve(3, "c") == "c")
        #expect(throws: Violation.unknownAlias) { try resolve(1, "") }
        #expect(try resolve(1, "a") == "a")
        #expect(try resolve(3, "") == "c")
        #expect(try resolve(3, "d") == "d")
        #expect(try resolve(3, "") == "d")
        #expect(try resolve(1, "") == "a")
        #expect(throws: Violation.zeroAlias) { try resolve(0, "a") }
        #expect(throws: Violation.aliasBeyondMaximum) { try resolve(4, "a") }
        var none = InboundTopicAliases(maximum: 0)
        #expect(throws: Violation.aliasBeyondMaximum) { try bytes("a") { try none.resolve(1, topic: $0) } }
        // A new connection has new ones.
        aliases = InboundTopicAliases(maximum: 3)
        #expect(throws: Violation.unknownAlias) { try resolve(3, "") }
    }

    @Test("[MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-7] [MQTT-3.3.2-11] aliases that are set stay within the maximum")
    func outboundAliases() {
        var aliases = OutboundTopicAliases(maximum: 2)
        func use(_ topic: String) -> OutboundTopicAliases.Use { bytes(topic) { aliases.use($0) } }
        #expect(use("a") == .set(1))
        #expect(use("b") == .set(2))
        #expect(use("c") == .none)
        #expect(use("a") == .known(1))
        #expect(use("b") == .known(2))
        #expect(use("c") == .none)
        aliases = OutboundTopicAliases(maximum: 0)
        #expect(use("a") == .none)
        aliases = OutboundTopicAliases(maximum: 2)
        #expect(use("b") == .set(1))
    }

    @Test("aliases of both sides agree, with many topics", arguments: [1, 7, 65_535] as [UInt16])
    func bothSides(maximum: UInt16) throws {
        var random = SeededGenerator(seed: UInt64(maximum))
        var sender = OutboundTopicAliases(maximum: maximum)
        var receiver = InboundTopicAliases(maximum: maximum)
        for _ in 0..<5000 {
            let topic = "t/\(Int.random(in: 0..<300, using: &random))"
            let resolved: [UInt8] = try bytes(topic) { name in
                switch sender.use(name) {
                case .none: Array(name)
                case .set(let alias): try receiver.resolve(alias, topic: name)
                case .known(let alias): try receiver.resolve(alias, topic: UnsafeRawBufferPointer(start: nil, count: 0))
                }
            }
            #expect(resolved == Array(topic.utf8))
        }
    }

    // [MQTT-3.1.2-24 of 3.1.1]
    @Test("[MQTT-3.1.2-22] one and a half times the keep-alive, and none without one")
    func keepAlive() {
        let alive = KeepAlive(requested: 10, version: .v5)
        #expect(alive.timeoutNanoseconds == 15 * Self.second)
        #expect(!alive.hasExpired(lastPacketAt: 100, now: 100 + 15 * Self.second - 1))
        #expect(alive.hasExpired(lastPacketAt: 100, now: 100 + 15 * Self.second))
        #expect(!alive.hasExpired(lastPacketAt: .max, now: .min))
        #expect(!alive.hasExpired(lastPacketAt: 100, now: 0))
        let none = KeepAlive(requested: 0, version: .v311)
        #expect(none.timeoutNanoseconds == nil && !none.hasExpired(lastPacketAt: 0, now: .max))
        #expect(KeepAlive(requested: .max, version: .v311).timeoutNanoseconds == 65_535 * Self.second / 2 * 3)
    }

    @Test("[MQTT-3.2.2-21] [MQTT-3.2.2-22] the server's keep-alive is said where it differs from the client's")
    func serverKeepAlive() {
        for (requested, maximum, version, seconds, said) in [
            (60, 0, .v5, 60, nil), (60, 60, .v5, 60, nil), (61, 60, .v5, 60, 60), (0, 60, .v5, 60, 60),
            (10, 60, .v5, 10, nil), (0, 0, .v5, 0, nil), (61, 60, .v311, 61, nil), (0, 60, .v311, 0, nil),
        ] as [(UInt16, UInt16, ProtocolVersion, UInt16, UInt16?)] {
            let alive = KeepAlive(requested: requested, maximum: maximum, version: version)
            #expect(alive.seconds == seconds && alive.serverKeepAlive == said, "\(requested) of \(maximum)")
        }
    }

    private func connect(_ interval: UInt32?, _ version: ProtocolVersion = .v5, cleanStart: Bool = true) -> Connect {
        var connect = Connect(version: version, cleanStart: cleanStart)
        connect.properties.sessionExpiryInterval = interval
        return connect
    }

    private func disconnect(_ interval: UInt32?) -> Disconnect {
        var disconnect = Disconnect()
        disconnect.properties.sessionExpiryInterval = interval
        return disconnect
    }

    // [MQTT-3.1.2-6 of 3.1.1] [MQTT-3.1.2-4 of 3.1.1]
    @Test("[MQTT-3.1.2-23] [MQTT-4.1.0-2] how long a session is kept")
    func sessionExpiry() throws {
        #expect(SessionExpiry(connect(nil)).end(closedAt: 5) == 5)
        #expect(SessionExpiry(connect(10)).end(closedAt: 5) == 5 + 10 * Self.second)
        #expect(SessionExpiry(connect(.max)).end(closedAt: 5) == nil)
        #expect(SessionExpiry(connect(.max), maximum: 3600).seconds == 3600)
        #expect(SessionExpiry(connect(.max - 1)).end(closedAt: .max - 1) == .max)
        #expect(SessionExpiry(connect(nil, .v311)).seconds == 0)
        #expect(SessionExpiry(connect(nil, .v311, cleanStart: false)).seconds == SessionExpiry.never)
        #expect(SessionExpiry(connect(nil, .v311, cleanStart: false), maximum: 60).seconds == 60)
    }

    @Test("DISCONNECT may change the expiry of a session that was to be kept")
    func disconnectExpiry() throws {
        var expiry = SessionExpiry(connect(10))
        try expiry.disconnected(disconnect(nil))
        #expect(expiry.seconds == 10)
        try expiry.disconnected(disconnect(100), maximum: 50)
        #expect(expiry.seconds == 50)
        try expiry.disconnected(disconnect(0))
        #expect(expiry.seconds == 0)
        var none = SessionExpiry(connect(0))
        #expect(throws: Violation.sessionExpiryRaised) { try none.disconnected(disconnect(1)) }
        try none.disconnected(disconnect(0))
        #expect(none.seconds == 0)
    }

    // [MQTT-3.14.4-3 of 3.1.1] [MQTT-3.1.2-10 of 3.1.1]
    @Test("[MQTT-3.1.2-8] [MQTT-3.14.4-3] [MQTT-3.1.2-10] the will comes after its delay or with the session's end")
    func wills() {
        var will = Will(topic: "a", payload: ByteBuffer())
        #expect(SessionExpiry(connect(10)).willTime(will, closedAt: 5) == 5)
        will.properties.willDelayInterval = 4
        #expect(SessionExpiry(connect(10)).willTime(will, closedAt: 5) == 5 + 4 * Self.second)
        will.properties.willDelayInterval = 400
        #expect(SessionExpiry(connect(10)).willTime(will, closedAt: 5) == 5 + 10 * Self.second)
        #expect(SessionExpiry(connect(nil)).willTime(will, closedAt: 5) == 5)
        #expect(SessionExpiry.discardsWill(Disconnect()))
        #expect(!SessionExpiry.discardsWill(Disconnect(reason: .disconnectWithWill)))
        #expect(!SessionExpiry.discardsWill(Disconnect(reason: .unspecifiedError)))
    }
}
