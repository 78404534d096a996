// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A message that a remote broker sent.
struct ReceivedMessage: Sendable {
    /// nil: it is not UTF-8.
    var topic: String?
    var payload: ByteBuffer
    var qos: QoS
    var retain: Bool
    /// Of QoS 1 and 2: with which it comes again when its acknowledgement was lost ([MQTT-4.4.0-1]).
    var packetIdentifier: UInt16
    /// MQTT 5.
    var contentType: String?
    /// The bridge that sent it there (``BridgeProperty``), MQTT 5.
    var origin: String?
}

/// A message for a remote broker.
struct OutgoingMessage: Sendable {
    /// What its end is told by.
    var token: UInt64
    var topic: String
    var payload: ByteBuffer
    var qos: QoS
    var retain: Bool
    var contentType: String
}

/// The user property (MQTT 5 section 3.3.2.3.7) by which a bridge knows its own messages.
enum BridgeProperty {
    static let name = "martlet-bridge"
}

/// What became of a message that was handed to the remote broker.
enum PublishOutcome: Sendable, Equatable {
    /// QoS 1: PUBACK, QoS 2: PUBCOMP, QoS 0: written to the socket.
    case delivered
    /// For good, with the reason code of MQTT 5 or what the library says.
    case refused(String)
}

/// How the connection to a remote broker is.
enum RemoteState: Sendable, Equatable {
    case connected
    /// Not reached, or not any more: what waits, waits.
    case away(String)
    /// It was reached and does not let the bridge in, or is not who it should be: somebody must act.
    case refused(String)
}

struct RemoteSubscription: Sendable, Hashable {
    var filter: String
    var qos: QoS
}

/// What a client tells its owner; all of it on the client's own thread.
protocol RemoteClientDelegate: Sendable {
    func changed(_ state: RemoteState)

    /// Brings messages to safety; may block: what it has returned for is acknowledged to the remote.
    /// - Returns: false: nothing is acknowledged, the connection is cut, and the remote sends them again.
    func take(_ messages: [ReceivedMessage]) -> Bool

    /// How many messages may be read before ``take(_:)``.
    var batchLimit: Int { get }

    func settled(_ message: OutgoingMessage, _ outcome: PublishOutcome)

    func subscriptionRefused(_ filter: String, _ reason: String)
}
