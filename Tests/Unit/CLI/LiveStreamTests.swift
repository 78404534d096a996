// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

@testable import MartletCLI

/// How the live stream behaves where connections break: against a server that breaks them on purpose.
@Suite struct LiveStreamTests {
    private static func message(_ sequence: Int) -> String {
        "id: \(sequence)\ndata: {\"type\":\"message\",\"sequence\":\(sequence)}\n\n"
    }

    /// What comes until a message has this number, in short words.
    private func words(_ server: ScriptedServer, after: String?, until last: String) async throws -> [String] {
        let client = try APIClient(address: ServerAddress(server.url))
        let stream = LiveStream(client: client, path: "/channels/c/messages") { "Thing k" }
        let result = await Result {
            try await within(.seconds(30), "the stream's end") {
                var words: [String] = []
                try await stream.run(after: after) { item in
                    switch item {
                    case .message(_, let sequence): words.append(sequence)
                    case .gap(let gap): words.append("gap to \(gap["next"]?.cell ?? "?")")
                    case .interrupted: words.append("interrupted")
                    }
                    return words.last != last
                }
                return words
            }
        }
        await client.shutdown()
        return try result.get()
    }

    @Test func connectionThatBreaksIsResumedBehindTheLastMessage() async throws {
        let server = try ScriptedServer { request in
            switch request.headers["last-event-id"] {
            case "6":
                // The third message is cut off in its middle, and must come again.
                .events([
                    "retry: 1\nid: 6\n\n", Self.message(7), Self.message(8), "id: 9\ndata: {\"type\":",
                ])
            case "8":
                .events([
                    ":\nid: 8\n\n", Self.message(9),
                    "event: gap\nid: 11\ndata: {\"type\":\"gap\",\"after\":9,\"next\":12}\n\n",
                ])
            case "11": .events([Self.message(12)])
            default: .json("{}", status: 400)
            }
        }
        let words = try await words(server, after: "6", until: "12")
        #expect(words == ["7", "8", "interrupted", "9", "gap to 12", "interrupted", "12"])
        #expect(server.requests.allSatisfy { $0.headers["accept"] == "text/event-stream" })
        #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Thing k" })
    }

    @Test func withoutANumberItBeginsNow() async throws {
        let server = try ScriptedServer { _ in .events([Self.message(3)]) }
        #expect(try await words(server, after: nil, until: "3") == ["3"])
        #expect(server.requests.map { $0.headers["last-event-id"] } == [nil])
    }

    @Test func serverThatIsAwayIsTriedAgain() async throws {
        let first = Once()
        let server = try ScriptedServer { _ in
            if first.take() { return ScriptedServer.Answer(isDropped: true) }
            return .events([Self.message(1)])
        }
        #expect(try await words(server, after: nil, until: "1") == ["interrupted", "1"])
    }

    @Test func revokedRightEndsItWithTheReason() async throws {
        let end =
            #"event: end\#ndata: {"type":"end","status":403,"reason":"disconnected-from-channel","detail":"No."}\#n\#n"#
        let server = try ScriptedServer { _ in .events([end]) }
        let failure = await #expect(throws: CommandFailure.self) { try await words(server, after: nil, until: "1") }
        #expect(failure?.status == .refused)
        #expect(failure?.reason == "disconnected-from-channel")
    }

    @Test func tokenThatHasRunItsTimeIsReplaced() async throws {
        let end = #"event: end\#ndata: {"type":"end","status":401,"reason":"token-expired","detail":"No."}\#n\#n"#
        let first = Once()
        let server = try ScriptedServer { _ in .events([first.take() ? end : Self.message(2)]) }
        #expect(try await words(server, after: nil, until: "2") == ["interrupted", "2"])
    }

    @Test func refusalIsToldAsItIs() async throws {
        let server = try ScriptedServer { _ in
            .json(#"{"status":401,"reason":"unknown-key","detail":"No enabled thing has this key."}"#, status: 401)
        }
        let failure = await #expect(throws: CommandFailure.self) { try await words(server, after: nil, until: "1") }
        #expect(failure?.status == .notAuthenticated)
    }

    @Test func serverWithoutStreamsSaysSo() async throws {
        let server = try ScriptedServer { _ in .json(#"{"messages":[]}"#) }
        let failure = await #expect(throws: CommandFailure.self) { try await words(server, after: nil, until: "1") }
        #expect(failure?.reason == "no-event-stream")
    }

    @Test func garbageInAnEventIsNoCrash() async throws {
        let server = try ScriptedServer { _ in .events(["data: {\"type\":\n\n"]) }
        let failure = await #expect(throws: CommandFailure.self) { try await words(server, after: nil, until: "1") }
        #expect(failure?.status == .refused)
    }
}
