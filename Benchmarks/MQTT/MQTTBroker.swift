// SPDX-License-Identifier: Apache-2.0
import TestKit

/// A broker as the load generator sees it: where it listens on loopback, who may connect, and whose work counts.
struct MQTTBroker: Sendable {
    struct Account: Sendable {
        let userName: String
        let password: String
    }

    struct Member: Sendable {
        let name: String
        let process: ServiceProcess
    }

    let name: String
    let port: UInt16
    /// Each may publish to and subscribe to the channel; connections take them in turn.
    let accounts: [Account]
    let channel: String
    /// The broker's own process first, then those that it needs for every message.
    let members: [Member]

    var filter: String { "channels/\(channel)/messages/#" }

    /// Every publisher has its own topic, all of the same length.
    func topic(publisher: Int) -> String {
        let digits = String(publisher)
        return "channels/\(channel)/messages/p" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Of each member so far.
    func processorSeconds() throws -> [Double] {
        try members.map { try ProcessUsage(of: $0.process.processIdentifier).cpuSeconds }
    }

    /// Of the broker's own process.
    func memory() throws -> MemoryUsage {
        guard let member = members.first else { return MemoryUsage() }
        return try MemoryUsage(of: member.process.processIdentifier)
    }
}

/// A broker that runs.
protocol MQTTServer: AnyObject {
    var broker: MQTTBroker { get }
    /// Starts the broker's own process again, so that its memory is that of a new one.
    func restart() async throws
    func stop() async throws
}
