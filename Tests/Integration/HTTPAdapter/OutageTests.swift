// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

@Suite("HTTP adapter: with the bus away, and at its own end")
struct OutageTests {
    @Test("a bus that hangs, is killed, and comes back")
    func busAway() async throws {
        try await withAdapter(["acknowledgement-timeout-milliseconds": "300"]) { stack in
            #expect(try await stack.answer(to: stack.request()).status == 202)
            stack.bus.suspend()
            let overdue = try await stack.answer(to: stack.request())
            #expect(overdue.status == 503)
            #expect(overdue.reason == "acknowledgement-overdue")
            #expect(overdue.fields["retry-after"] == "1")
            #expect(overdue.fields["connection"] == nil)

            await stack.bus.kill()
            try await eventually("the adapter says that the bus is away") {
                let response = try await stack.answer(to: stack.request())
                #expect(response.status == 503)
                #expect(Int(response.fields["retry-after"] ?? "") ?? 0 > 0)
                return response.reason == "bus-unavailable"
            }
            let health = try await stack.answer(to: "GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(health.status == 503)

            let again = try stack.bus.startAgain()
            try await again.wait("messages are accepted again") {
                try await stack.answer(to: stack.request()).status == 202
            }
            await again.kill()
        }
    }

    @Test("a request that is under way when the server ends is answered")
    func drain() async throws {
        try await withAdapter { stack in
            let request = stack.request()
            let stop = stack.stop
            let port = stack.port
            let response = try await wire(port: port) { connection in
                try connection.send(String(request.dropLast(5)))
                // The head is known to be read once another connection's request behind it is answered.
                let other = try RawConnection(port: port)
                try other.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try other.readResponse()
                stop()
                // Idle connections are closed: the end has begun.
                guard try other.readToEnd().isEmpty else { throw RawConnection.Failure.broken(0) }
                try connection.send(String(request.suffix(5)))
                return (try connection.readResponse(), try connection.readToEnd())
            }
            #expect(response.0.status == 202)
            #expect(response.0.fields["connection"] == "close")
            #expect(response.1.isEmpty)
            await #expect(throws: RawConnection.Failure.self) {
                try await stack.answer(to: request)
            }
            #expect(try await stack.stored().count == 1)
        }
    }
}
