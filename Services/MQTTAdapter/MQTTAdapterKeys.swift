// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import ServiceKit

/// The adapter's settings: `MARTLET_MQTT_ADAPTER_<KEY>` in the environment.
enum MQTTAdapterKeys {
    static let httpPort = StandardKeys.httpPort(default: 9105)

    static let host = ConfigurationKey<String>(
        "mqtt.host", default: "127.0.0.1", help: "Address that the MQTT ports listen on.")

    static let port = ConfigurationKey<Int>(
        "mqtt.port", default: 1883, range: 0...65_535, help: "MQTT over TCP; 0 takes any free port.")

    static let isPlain = ConfigurationKey<Bool>(
        "mqtt.plain", default: true, help: "Whether MQTT over TCP without TLS is served at all.")

    static let webSocketPort = ConfigurationKey<Int>(
        "websocket.port", default: 8083, range: 0...65_535, help: "MQTT over WebSocket on /mqtt; 0 takes any free port."
    )

    static let tlsPort = ConfigurationKey<Int>(
        "tls.port", default: 8883, range: 0...65_535,
        help: "MQTT over TLS, served when a certificate is set; 0 takes any free port.")

    static let certificate = ConfigurationKey<String>(
        "tls.certificate", default: nil, help: "File of the certificate chain, PEM, the server's own first."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let key = ConfigurationKey<String>(
        "tls.key", default: nil, help: "File of the certificate's private key, PEM."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let webSocketTLSPort = ConfigurationKey<Int>(
        "websocket.tls.port", default: 8084, range: 0...65_535,
        help: "MQTT over WebSocket with TLS on /mqtt, served when a certificate is set; 0 takes any free port.")

    static let clientAuthority = ConfigurationKey<String>(
        "tls.client.ca", default: nil,
        help:
            "File of the certificate authorities, PEM, whose client certificates are taken on the TLS ports; without it none are asked for."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let clientRequired = ConfigurationKey<Bool>(
        "tls.client.required", default: false,
        help: "Whether the TLS ports take clients with a certificate only; needs tls.client.ca.")

    static let store = ConfigurationKey<String>(
        "store.path", default: "/var/lib/martlet/mqtt/sessions.sqlite",
        help: "File that keeps sessions, what waits for them, and retained messages."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let maximumConnections = ConfigurationKey<Int>(
        "connections.maximum", default: 100_000, range: 1...1_000_000, help: "Connections at a time.")

    static let connectTimeout = ConfigurationKey<Int>(
        "connect.timeout.milliseconds", default: 10_000, range: 10...600_000,
        help: "From a connection to a complete CONNECT, TLS handshake and WebSocket upgrade included.")

    static let stallTimeout = ConfigurationKey<Int>(
        "stall.timeout.milliseconds", default: 30_000, range: 10...3_600_000,
        help: "How long a client may read nothing while something waits for it.")

    static let maximumKeepAlive = ConfigurationKey<Int>(
        "keepalive.maximum.seconds", default: 0, range: 0...65_535,
        help: "The longest keep-alive that MQTT 5 clients are let use; 0: any.")

    static let maximumSessionExpiry = ConfigurationKey<Int>(
        "session.expiry.maximum.seconds", default: 7 * 86_400, range: 0...Int(UInt32.max) - 1,
        help: "How long a session outlives its connection at most, whatever its client asks for.")

    static let receiveMaximum = ConfigurationKey<Int>(
        "receive.maximum", default: 1_024, range: 1...65_535,
        help: "QoS 1 and 2 messages of one client that may be unacknowledged.")

    static let maximumInFlight = ConfigurationKey<Int>(
        "inflight.maximum", default: 1_024, range: 1...65_535,
        help: "QoS 1 and 2 messages in flight to one client at most, whatever it takes.")

    static let outgoing = ConfigurationKey<Int>(
        "client.queue.maximum.bytes", default: 1 << 20, range: 16 << 10...1 << 30,
        help: "What may wait in memory for a client's socket; beyond, QoS 0 is dropped.")

    static let patience = ConfigurationKey<Int>(
        "client.patience.milliseconds", default: 50, range: 1...60_000,
        help:
            "How long publishers and the stream wait for a client that is behind. One that does not catch up is not waited for again for ten seconds, then twice as long, up to ten minutes."
    )

    static let queueMemory = ConfigurationKey<Int>(
        "session.queue.memory.bytes", default: 1 << 20, range: 16 << 10...1 << 30,
        help:
            "QoS 1 and 2 messages that wait in memory for a session; beyond, they wait in the store, or a session that ends with its connection is cut off."
    )

    static let queueStore = ConfigurationKey<Int>(
        "session.queue.maximum.bytes", default: 64 << 20, range: 16 << 10...1 << 40,
        help: "What may wait in the store for a session; beyond, new messages are dropped and counted.")

    static let refusedPublish = ConfigurationKey<String>(
        "refused.publish", default: "drop",
        help:
            "What becomes of a QoS 0 publish that a client may not make: drop or close (its connection). QoS 1 and 2 are refused with a reason code in MQTT 5 and end the connection in 3.1.1."
    ) { ["drop", "close"].contains($0) ? nil : "must be drop or close" }

    static let systemInterval = ConfigurationKey<Int>(
        "sys.interval.seconds", default: 10, range: 0...3_600,
        help: "How often $SYS/broker/... is brought up to date; 0: never, and nobody may subscribe to it.")

    static let systemReaders = ConfigurationKey<String>(
        "sys.readers", default: nil,
        help:
            "Who may subscribe to $SYS/...: identifiers of things, or of domains all of whose things may, with spaces between them; none without it."
    ) { OperatorSettings.problem(ofReaders: $0) }

    static let redirectReference = ConfigurationKey<String>(
        "redirect.reference", default: nil,
        help:
            "Another server, such as mqtt.example.com:1883, that MQTT 5 clients are sent to when this one stops or has connections.maximum connections."
    ) {
        $0.isEmpty || $0.utf8.count > OperatorSettings.maximumReferenceBytes
            ? "must have 1 to \(OperatorSettings.maximumReferenceBytes) bytes" : nil
    }

    static let all: [any ConfigurationDeclaration] =
        [
            StandardKeys.busSocket, StandardKeys.httpHost, httpPort, host, port, isPlain, webSocketPort, tlsPort,
            certificate, key, webSocketTLSPort, clientAuthority, clientRequired,
            store, maximumConnections, connectTimeout, stallTimeout, maximumKeepAlive,
            maximumSessionExpiry, receiveMaximum, maximumInFlight, outgoing, patience, queueMemory, queueStore,
            refusedPublish, systemInterval, systemReaders, redirectReference,
        ] + IngestKeys.all
}
