// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// Clients that begin a request and never end it are cut off, and until then nobody else notices them.
@Suite(.serialized) struct SlowClientTests {
    @Test func halfRequestsAreCutAndDisturbNobody() async throws {
        let timeouts = [
            "MARTLET_HTTP_ADAPTER_HEAD_TIMEOUT_MILLISECONDS": "4000",
            "MARTLET_HTTP_ADAPTER_BODY_TIMEOUT_MILLISECONDS": "4000",
            "MARTLET_HTTP_ADAPTER_IDLE_TIMEOUT_MILLISECONDS": "4000",
        ]
        let stack = try await Stack.start(settings: ["http-adapter": timeouts])
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device, workers: 4)
        try await eventually("the load flows") { load.acceptedCount > 50 }

        let port = stack.ports["http-adapter"] ?? 0
        let start = "POST \(device.publishPath) HTTP/1.1\r\nHost: a\r\nAuthorization: Thing \(device.key)\r\n"
        let halves = [
            "POST \(device.publishPath)", start,
            start + "Content-Type: application/senml+json\r\nContent-Length: 100\r\n\r\n",
            start + "Content-Type: application/senml+json\r\nContent-Length: 21\r\n\r\n[{\"n\":\"half\"",
            start + "Content-Type: application/senml+json\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n[{",
        ]
        let trickling = Trickle(port: port)
        var connections: [BlockingHTTPConnection] = []
        for number in 0..<200 {
            let connection = BlockingHTTPConnection(port: port, timeoutSeconds: 60)
            try connection.send(raw: Array(halves[number % halves.count].utf8))
            connections.append(connection)
        }
        let before = load.acceptedCount
        try await eventually("the load flows beside them") { load.acceptedCount > before + 200 }

        let reason = #"martlet_http_refused_total{reason="request-too-slow"}"#
        try await eventually("all are cut off") { try await stack.metric("http-adapter", reason) ?? 0 >= 201 }
        for (number, connection) in connections.enumerated() {
            let said = String(decoding: try connection.receiveToEnd(), as: UTF8.self)
            #expect(said.hasPrefix("HTTP/1.1 408 "), "\(halves[number % halves.count]): \(said)")
            #expect(said.contains(#""reason":"request-too-slow""#), "\(said)")
        }
        // A byte now and then buys no more time.
        #expect(await trickling.isCutOff())

        let outcome = await load.stop()
        #expect(Set(outcome.statuses.keys) == [202], "\(outcome.statuses)")
        try await Faults.expectStoredOnce(outcome, stack, device)
        try await stack.stop()
    }

    /// A request whose head comes byte by byte, for a minute if it is let.
    private final class Trickle: Sendable {
        private let end: Task<Bool, Never>

        init(port: Int) {
            end = Task.detached {
                await withCheckedContinuation { continuation in
                    Thread.detachNewThread { continuation.resume(returning: Self.run(port: port)) }
                }
            }
        }

        private static func run(port: Int) -> Bool {
            let connection = BlockingHTTPConnection(port: port)
            do {
                try connection.send(raw: Array("POST / HTTP/1.1\r\nX-Slow: ".utf8))
                for _ in 0..<600 {
                    try connection.send(raw: [UInt8(ascii: "a")])
                    Thread.sleep(forTimeInterval: 0.1)
                }
                return false
            } catch {
                return true
            }
        }

        func isCutOff() async -> Bool { await end.value }
    }
}
