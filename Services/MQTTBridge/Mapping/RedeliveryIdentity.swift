// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// Names messages of a mapping with QoS 2 so that the bus knows one that the remote sends again, because the bridge or the connection ended before the
/// acknowledgement was there.
///
/// A message that comes again has its packet identifier, topic and payload ([MQTT-4.4.0-1]). Others may have the same: a broker that uses the lowest free
/// identifier, and a sensor that repeats itself. So the name also counts how often its identifier was used within the bus's duplicate window; it begins
/// anew with each process and connection, as the message that comes again does.
struct RedeliveryIdentity {
    /// `StreamConfiguration.duplicateWindowSeconds`
    static let windowNanoseconds: Int64 = 120_000_000_000

    private struct Use {
        var at: Int64 = .min
        var count: UInt32 = 0
    }

    private var uses = [Use](repeating: Use(), count: 1 << 16)

    /// Begins anew: with each connection.
    mutating func reset() {
        for index in uses.indices { uses[index] = Use() }
    }

    /// The message's name on the bus, 35 bytes.
    ///
    /// - Parameters:
    ///   - session: the client identifier at the remote.
    ///   - now: nanoseconds since 1970.
    mutating func name(_ message: ReceivedMessage, topic: String, session: String, at now: Int64) -> String {
        let index = Int(message.packetIdentifier)
        let isRecent = uses[index].at > now - Self.windowNanoseconds
        uses[index] = Use(at: now, count: isRecent ? uses[index].count &+ 1 : 0)
        let salt = "\(session)\u{0}\(message.packetIdentifier)\u{0}\(uses[index].count)"
        return "mb-" + MessageDigest(topic: topic, payload: message.payload, salt: salt).text
    }
}
