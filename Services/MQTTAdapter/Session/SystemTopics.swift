// SPDX-License-Identifier: Apache-2.0
import Foundation
import ServiceKit

/// The server's figures under `$SYS/broker/…`, in the names that other servers have made customary.
struct SystemTopics {
    /// The first level of all of them.
    static let root = "$SYS"

    /// What they are made of, at one time.
    struct Reading {
        var uptimeSeconds: Int64 = 0
        var connected = 0
        /// Sessions that are kept without a connection.
        var kept = 0
        var accepted: UInt64 = 0
        var received: UInt64 = 0
        var sent: UInt64 = 0
        var dropped: UInt64 = 0
        /// Of MQTT packets.
        var receivedBytes = 0
        var sentBytes = 0
        var receivedPayloadBytes: UInt64 = 0
        var subscriptions = 0
        var retained = 0
        var retainedBytes = 0
        var stored = 0
        var storedBytes = 0
        var residentBytes: Double = 0
    }

    /// Events a minute, as averages over the last minutes, exponentially weighted.
    private struct Load {
        static let minutes = [1, 5, 15]

        private(set) var averages = [0.0, 0.0, 0.0]
        private var last: UInt64 = 0

        mutating func add(_ total: UInt64, seconds: Double) {
            let perMinute = Double(total &- last) * 60 / seconds
            last = total
            for (index, minutes) in Self.minutes.enumerated() {
                averages[index] += (1 - exp(-seconds / Double(minutes * 60))) * (perMinute - averages[index])
            }
        }
    }

    /// By topic, as they were published last.
    private(set) var values: [String: String] = [:]
    private var maximumConnected = 0
    private var receivedLoad = Load()
    private var sentLoad = Load()
    private var connectsLoad = Load()

    /// - Parameter seconds: since the last update.
    /// - Returns: the topics whose value is another than before, in their order.
    mutating func update(_ reading: Reading, seconds: Double) -> [String] {
        maximumConnected = max(maximumConnected, reading.connected)
        receivedLoad.add(reading.received, seconds: seconds)
        sentLoad.add(reading.sent, seconds: seconds)
        connectsLoad.add(reading.accepted, seconds: seconds)
        var next = figures(reading)
        for (name, load) in [
            ("publish/received", receivedLoad), ("publish/sent", sentLoad), ("connections", connectsLoad),
        ] {
            for (minutes, average) in zip(Load.minutes, load.averages) {
                next["load/\(name)/\(minutes)min"] = String(format: "%.2f", average)
            }
        }
        let former = values
        values = Dictionary(uniqueKeysWithValues: next.map { ("\(Self.root)/broker/\($0.key)", $0.value) })
        return values.keys.filter { values[$0] != former[$0] }.sorted()
    }

    private func figures(_ reading: Reading) -> [String: String] {
        [
            "version": "martlet \(Version.current)",
            "uptime": "\(reading.uptimeSeconds) seconds",
            "clients/connected": "\(reading.connected)",
            "clients/disconnected": "\(reading.kept)",
            "clients/total": "\(reading.connected + reading.kept)",
            "clients/maximum": "\(maximumConnected)",
            "publish/messages/received": "\(reading.received)",
            "publish/messages/sent": "\(reading.sent)",
            "publish/messages/dropped": "\(reading.dropped)",
            "publish/bytes/received": "\(reading.receivedPayloadBytes)",
            "bytes/received": "\(reading.receivedBytes)",
            "bytes/sent": "\(reading.sentBytes)",
            "subscriptions/count": "\(reading.subscriptions)",
            "retained messages/count": "\(reading.retained)",
            "retained messages/bytes": "\(reading.retainedBytes)",
            "store/messages/count": "\(reading.stored)",
            "store/messages/bytes": "\(reading.storedBytes)",
            "memory/resident": String(format: "%.0f", reading.residentBytes),
        ]
    }
}
