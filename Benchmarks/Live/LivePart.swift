// SPDX-License-Identifier: Apache-2.0
import TestKit

/// Who subscribes to what, and on which way.
enum LivePart: String, CaseIterable {
    /// WebSockets and event streams, a connection each, to the adapter itself.
    case direct
    /// Event streams as streams of HTTP/2, many on each connection, to the adapter itself.
    case http2
    /// As ``direct``, through nginx with the product's configuration; all of them read.
    case front

    /// Of one connection of HTTP/2; the adapter allows 128.
    static let streamsPerConnection = 100
    /// Addresses of the clients in front of nginx: each has 28,000 ports of its own.
    private static let addresses = (2...11).map { "127.0.0.\($0)" }

    /// How many there are of each sort, from how many are asked for.
    struct Numbers {
        var reading: Int
        var slow: Int
        var title: String
    }

    /// - Parameters:
    ///   - subscribers: of each kind.
    ///   - slow: of each kind, among them.
    func numbers(subscribers: Int, slow: Int) -> Numbers {
        switch self {
        case .direct:
            return Numbers(
                reading: 2 * (subscribers - slow), slow: 2 * slow,
                title: "\(subscribers) WebSockets + \(subscribers) event streams")
        case .http2:
            let connections = Self.connections(subscribers)
            let reading = (connections - 1) * (Self.streamsPerConnection - 1)
            return Numbers(
                reading: reading, slow: connections * Self.streamsPerConnection - reading,
                title:
                    "\(connections * Self.streamsPerConnection) event streams on \(connections) connections of HTTP/2")
        case .front:
            return Numbers(
                reading: 2 * subscribers, slow: 0,
                title: "\(subscribers) WebSockets + \(subscribers) event streams through nginx")
        }
    }

    private static func connections(_ subscribers: Int) -> Int { max(2, subscribers / streamsPerConnection) }

    /// Opens all of them. Those that do not read listen to `large`.
    func open(
        _ clients: LiveSubscribers, subscribers: Int, slow: Int, port: Int, device: Stack.Device, large: Stack.Device
    ) async throws {
        switch self {
        case .direct:
            for kind in LiveSubscribers.Kind.allCases {
                try await clients.open(subscribers - slow, kind, port: port, device: device, reads: true)
                try await clients.open(slow, kind, port: port, device: large, reads: false)
            }
        case .http2:
            // One connection whose socket is not read, and on each of the others one stream whose window is not opened.
            let unread = Array(
                repeating: StreamSubscribers.Plan(device: large, reads: true), count: Self.streamsPerConnection)
            try await clients.openStreams(unread, port: port, readsSocket: false)
            var others = Array(
                repeating: StreamSubscribers.Plan(device: device, reads: true), count: Self.streamsPerConnection)
            others[0] = StreamSubscribers.Plan(device: large, reads: false)
            for _ in 1..<Self.connections(subscribers) {
                try await clients.openStreams(others, port: port, readsSocket: true)
            }
        case .front:
            for kind in LiveSubscribers.Kind.allCases {
                try await clients.open(
                    subscribers, kind, port: port, device: device, reads: true, from: Self.addresses)
            }
        }
    }
}
