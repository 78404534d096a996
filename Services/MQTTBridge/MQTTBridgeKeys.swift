// SPDX-License-Identifier: Apache-2.0
import Core
import ServiceKit

/// The bridge's settings: `MARTLET_MQTT_BRIDGE_<KEY>` in the environment. What it connects to stands in the file that `remotes.file` names.
enum MQTTBridgeKeys {
    static let httpPort = StandardKeys.httpPort(default: 9106)

    static let remotes = ConfigurationKey<String>(
        "remotes.file", default: nil, help: "JSON file of the remote brokers and what is mapped (README)."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let maximumPayload = ConfigurationKey<Int>(
        "payload.maximum.bytes", default: Limits.payloadBytes, range: 1...Limits.payloadBytes,
        help: "The largest payload that is accepted from a remote broker.")

    static let thingRate = ConfigurationKey<Int>(
        "thing.messages.per.second", default: 0, range: 0...1_000_000,
        help:
            "Messages that are taken in the name of one thing each second on average, ten seconds' worth at once; 0: no limit. Beyond, QoS 0 is refused, and QoS 1 and 2 wait at the remote broker."
    )

    static let queueShare = ConfigurationKey<Int>(
        "queue.stream.percent", default: 75, range: 1...100,
        help:
            "How full the stream of messages may get before the oldest that wait for a remote broker are given up, so that one which is away does not stop the platform; 100: never."
    )

    static let all: [any ConfigurationDeclaration] = [
        StandardKeys.busSocket, StandardKeys.httpHost, httpPort, remotes, maximumPayload, thingRate, queueShare,
    ]
}
