// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// The limits of the broker, each with its policy. Defaults are those of ``MQTTAdapterKeys``.
struct BrokerLimits: Sendable {
    /// Connections at a time; more are closed at once, and counted.
    var maximumConnections = 100_000
    /// A whole packet that a client may send; larger: 0x95, the connection ends.
    var maximumPacketBytes = (1 << 20) + (64 << 10)
    /// From the connection to a complete CONNECT.
    var connectTimeout: TimeAmount = .seconds(10)
    /// How long a connection may take nothing while something waits for it; then it is cut off.
    var stallTimeout: TimeAmount = .seconds(30)
    /// Seconds; a longer keep-alive, or none, is brought down to it in MQTT 5. 0: any.
    var maximumKeepAliveSeconds: UInt16 = 0
    /// Seconds that a session outlives its connection at most.
    var maximumSessionExpirySeconds: UInt32 = 7 * 86_400
    /// QoS 1 and 2 messages of a client that may be unacknowledged: the receive maximum that it is told, and what MQTT 3.1.1 clients are held to by not reading on.
    var receiveMaximum: UInt16 = 1_024
    /// QoS 1 and 2 messages in flight to one client at most, whatever its receive maximum says.
    var maximumInFlight = 1_024
    /// Aliases that a client may set.
    var topicAliasMaximum: UInt16 = 32
    /// Aliases that the server sets at most, where the client takes them.
    var outboundTopicAliasMaximum: UInt16 = 16
    /// Bytes that wait in memory for one connection beside what its socket holds. Beyond: QoS 0 is dropped and counted, QoS 1 and 2 wait in the session.
    var outgoingBytes = 1 << 20
    /// Bytes of messages that wait in memory for one session. Beyond: a session that outlives its connection has the rest in the store, another is cut off.
    var queueMemoryBytes = 1 << 20
    /// How long publishers and the stream wait for a client that is behind, before it is dealt with as above.
    var patience: TimeAmount = .milliseconds(50)
    /// Messages that may be acknowledged to their publishers before the subscribers here were handed them: beyond, those publishers are not read on.
    var maximumUndelivered: UInt64 = 32_768
    /// Bytes of messages that wait for one session in the store. Beyond: new ones are dropped and counted.
    var queueStoreBytes = 64 << 20
    /// The same for all sessions: half of what the store's file may take, so that it never fills up by what waits.
    var queuesStoreBytes = 4 << 30
    /// Of CONNECT, before anybody is known: a will of 64 KiB and what surrounds it.
    var connectPacketBytes = 128 << 10
    /// Subscriptions of one session; more are refused with 0x97.
    var maximumSubscriptions = 1_000
    /// Messages on their way to the bus, of all clients; beyond, nobody's packets are read on.
    var maximumPublishesInFlight = 65_536
    /// Retained messages, and their bytes, all of them in memory; a new one beyond is refused with 0x97.
    var maximumRetained = 1_000_000
    var maximumRetainedBytes = 256 << 20
    /// Whether a publish that an MQTT 3.1.1 client may not make ends its connection (it cannot be told otherwise). With false, QoS 0 is dropped; QoS 1 and
    /// 2 end it all the same: to acknowledge what was not stored would be a lie.
    var refusedPublishCloses = false
    /// How often deadlines are looked at.
    var sweepInterval: TimeAmount = .milliseconds(500)
}
