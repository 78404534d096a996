// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import TestKit
import Testing

@Suite("CoAP adapter: aiocoap as a client")
struct AiocoapTests {
    @Test("It publishes, observes and sends 64 KiB in blocks")
    func publishesAndObserves() async throws {
        try await withCoAP { stack in
            let client = try ServiceProcess(
                program: Repository.file(".build/programs/bin/python"),
                arguments: [
                    Repository.file("Tests/Integration/CoAPAdapter/aiocoap_client.py"),
                    "coap://127.0.0.1:\(stack.port)/channels/\(stack.things.channel)/messages",
                    stack.things.publisher.key,
                ], log: stack.directory.file("aiocoap.log"))
            #expect(try await client.waitForExit() == .exited(0), "\(client.log)")
            #expect(try await stack.storedTexts("hall") == (0..<5).map { #"[{"n":"temperature","v":\#($0)}]"# })
            let large = try #require(try await stack.stored().first { $0.subtopic == "large" })
            #expect(Array(large.payload.readableBytesView) == (0..<65_536).map { UInt8($0 % 251) })
        }
    }
}
