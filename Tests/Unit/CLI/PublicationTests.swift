// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TestKit
import Testing

@testable import MartletCLI

/// Sending again, where a real server cannot be made to fail at the right moment.
@Suite struct PublicationTests {
    private func send(
        _ server: ScriptedServer, retries: Int
    ) async throws -> Publication.Receipt {
        let client = try APIClient(address: ServerAddress(server.url))
        let publication = Publication(channel: "c", subtopic: "a b/c", contentType: "text/plain", body: [0x78])
        let result = await Result { try await publication.send(key: "k", client, retries: retries) }
        await client.shutdown()
        return try result.get()
    }

    private static let accepted = ScriptedServer.Answer(
        status: 202, headers: ["Martlet-Sequence": "7", "Idempotency-Replayed": "true"])

    @Test func everyAttemptHasTheSameIdempotencyKey() async throws {
        let attempts = Mutex(0)
        let server = try ScriptedServer { _ in
            switch attempts.withLock({
                $0 += 1
                return $0
            }) {
            case 1: ScriptedServer.Answer(isDropped: true)
            case 2: .json(#"{"reason":"acknowledgement-overdue"}"#, status: 503)
            case 3: .json("bad gateway", status: 502)
            default: Self.accepted
            }
        }
        let receipt = try await send(server, retries: 5)
        #expect(receipt == Publication.Receipt(sequence: "7", isReplayed: true, retries: 3))
        #expect(server.requests.count == 4)
        #expect(Set(server.requests.compactMap { $0.headers["idempotency-key"] }).count == 1)
        #expect(server.requests[0].target == "/channels/c/messages/a%20b/c")
        #expect(server.requests[0].headers["authorization"] == "Thing k")
    }

    @Test func refusalIsFinal() async throws {
        let server = try ScriptedServer { _ in .json(#"{"reason":"senml-empty","detail":"nothing"}"#, status: 400) }
        let failure = await #expect(throws: CommandFailure.self) { try await send(server, retries: 5) }
        #expect(failure?.reason == "senml-empty")
        #expect(server.requests.count == 1)
    }

    @Test func retriesEnd() async throws {
        let server = try ScriptedServer { _ in .json(#"{"reason":"overloaded"}"#, status: 503) }
        let failure = await #expect(throws: CommandFailure.self) { try await send(server, retries: 2) }
        #expect(failure?.reason == "overloaded")
        #expect(failure?.status == .unreachable)
        #expect(server.requests.count == 3)
    }

    @Test func differentMessagesHaveDifferentKeys() {
        let keys = (0..<1_000).map { _ in Publication(channel: "c", contentType: "x/y", body: []).idempotencyKey }
        #expect(Set(keys).count == 1_000)
    }

    @Test func nobodyListeningIsUnreachable() async throws {
        let port = try FreePort.next()
        let client = try APIClient(address: ServerAddress("http://127.0.0.1:\(port)"))
        let failure = await #expect(throws: CommandFailure.self) { try await client.send(APIRequest(.get, "/")) }
        #expect(failure?.status == .unreachable)
        #expect(failure?.message.contains("refused") == true, "\(failure?.message ?? "")")
        await client.shutdown()
    }
}
