// SPDX-License-Identifier: Apache-2.0

/// One remote broker: how it is reached, in whose name the bridge acts here, and what is mapped.
struct Remote: Sendable, Equatable {
    enum Version: String, Sendable, CaseIterable {
        case v311 = "3.1.1"
        case v5 = "5"
    }

    struct TLS: Sendable, Equatable {
        /// PEM; nil: the system's.
        var authorityFile: String?
        /// Of the client; both or none.
        var certificateFile: String?
        var keyFile: String?
        /// Whether the server's certificate must name the host.
        var verifiesServerName = true
    }

    /// `a-z 0-9 -`: in metrics, and part of the durable consumer's name.
    var name: String
    var host: String
    var port: Int
    var version: Version
    /// `<id>-in` and `<id>-out` are the two clients' identifiers.
    var clientID: String
    var username: String?
    var passwordFile: String?
    var keepAliveSeconds: Int
    /// MQTT 5: how long the remote keeps the session while the bridge is away.
    var sessionExpirySeconds: UInt32
    /// Messages on their way to the remote without its acknowledgement; also the receive maximum of MQTT 5 the other way.
    var maximumInFlight: Int
    var tls: TLS?
    /// Of the thing in whose name the bridge acts.
    var thingKeyFile: String
    var incoming: [InMapping]
    var outgoing: [OutMapping]

    /// Marks what came in from this remote, in the envelope (`MQTTDetails.session`): FNV-1a of the name with the highest bit set, the same in every process.
    var mark: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in "mqtt-bridge/\(name)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash | 1 << 63
    }

    /// Whether something that goes out may come in again by this remote.
    var feedsItself: Bool {
        outgoing.contains { out in
            guard let topic = out.topic.pattern else { return true }
            return incoming.contains { $0.pattern.overlaps(topic) }
        }
    }

    /// The durable consumer on the stream of messages.
    var consumerName: String { "mqtt-bridge-\(name)" }
}

/// What is wrong with the file, and where.
struct RemotesProblem: Error, Equatable, CustomStringConvertible {
    /// `remotes[0].tls.key_file`; empty for the file as such.
    let field: String
    let problem: String

    var description: String { field.isEmpty ? problem : "'\(field)' \(problem)" }
}
