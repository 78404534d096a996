// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import HTTPKit
import Identity
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

/// `/things/{id}/psk`
@Suite struct PreSharedKeyRouteTests {
    private static let own = String(repeating: "0f", count: 16)

    @Test func aKeyLivesFromMakingToRemoval() async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            let path = "/things/\(thing)/psk"
            #expect(try await person.get(path).reason == "unknown-psk")
            #expect(try await person.delete(path).reason == "unknown-psk")

            // No body at all: everything is made up.
            let made = try await person.put(path)
            #expect(made.status == 200)
            #expect(made.text("identity") == thing.description)
            #expect(made.text("thing_id") == thing.description)
            let secret = try #require(made.text("secret"))
            #expect(secret.utf8.count == 64 && secret.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) })
            let viewed = try await person.get(path)
            #expect(viewed.status == 200)
            #expect(viewed.text("identity") == thing.description)
            #expect(viewed.text("created_by") == person.user.description)
            #expect(viewed.text("created_at") != nil)
            #expect(viewed["secret"] == nil)
            #expect(try await person.get("/things/\(thing)")["secret"] == nil)

            // One of the factory's; then only the secret is replaced.
            let brought = try await person.put(path, ["identity": "Gerät 7", "secret": .string(Self.own)])
            #expect(brought.text("identity") == "Gerät 7")
            #expect(brought.text("secret") == Self.own)
            let rotated = try await person.put(path, [:])
            #expect(rotated.text("identity") == "Gerät 7")
            #expect(rotated.text("secret") != Self.own && rotated.text("secret") != secret)
            let base64 = try await person.put(
                path, ["secret": .string(Data(repeating: 0x0F, count: 16).base64EncodedString()), "encoding": "base64"])
            #expect(base64.text("secret") == Self.own)

            #expect(try await person.delete(path).status == 204)
            #expect(try await person.get(path).reason == "unknown-psk")
            // Made again, it begins with the thing's identifier.
            #expect(try await person.put(path, [:]).text("identity") == thing.description)
            #expect(try await person.delete("/things/\(thing)").status == 204)
            #expect(try await person.get(path).reason == "unknown-thing")
            #expect(try await person.put(path, [:]).reason == "unknown-thing")
            #expect(try await person.delete(path).reason == "unknown-thing")
        }
    }

    @Test func anIdentityBelongsToOneThingOfAllDomains() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let stranger = try await stack.person(.admin, in: .new())
            let (first, second) = (try await person.makeThing().id, try await person.makeThing().id)
            let foreign = try await stranger.makeThing().id
            let identity = JSONValue.string("device of \(first)")
            #expect(try await person.put("/things/\(first)/psk", ["identity": identity]).status == 200)
            for (asker, thing) in [(person, second), (stranger, foreign)] {
                let answer = try await asker.put("/things/\(thing)/psk", ["identity": identity])
                #expect(answer.status == 409)
                #expect(answer.reason == "psk-identity-in-use")
                #expect(try await asker.get("/things/\(thing)/psk").status == 404)
            }
            // It says nothing of who has it.
            let answer = try await stranger.put("/things/\(foreign)/psk", ["identity": identity])
            let told = "\(answer.body)".replacing(foreign.description, with: "")
            #expect(!told.contains("\(first)") && !told.contains(person.user.description))
            // Composed and decomposed are two: a device sends bytes.
            #expect(
                try await person.put("/things/\(second)/psk", ["identity": .string("caf\u{E9} \(second)")]).status
                    == 200)
            #expect(
                try await stranger.put("/things/\(foreign)/psk", ["identity": .string("cafe\u{301} \(second)")]).status
                    == 200)
            // Set again to what it is.
            #expect(try await person.put("/things/\(first)/psk", ["identity": identity]).status == 200)
            // Given up, it is free.
            #expect(try await person.delete("/things/\(first)/psk").status == 204)
            #expect(try await stranger.put("/things/\(foreign)/psk", ["identity": identity]).status == 200)

            // The name of another thing cannot be taken, whether there is such a thing or not.
            for other in [second, first, ThingID.new()] {
                for text in [other.description, other.description.uppercased()] {
                    let answer = try await stranger.put("/things/\(foreign)/psk", ["identity": .string(text)])
                    #expect(answer.status == 422)
                    #expect(answer.reason == "psk-identity-identifier")
                }
            }
            #expect(
                try await person.put("/things/\(first)/psk", ["identity": .string(first.description)]).status == 200)
        }
    }

    @Test func aStrangerFindsNothing() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let stranger = try await stack.person(.admin, in: .new())
            let thing = try await person.makeThing().id
            let made = try await person.put("/things/\(thing)/psk", [:])
            #expect(made.status == 200)
            for id in [thing, .new()] {
                for method in ["GET", "PUT", "DELETE"] {
                    let answer = try await stranger.send(method, "/things/\(id)/psk", method == "PUT" ? [:] : nil)
                    #expect(answer.status == 404)
                    #expect(answer.reason == "unknown-thing", "\(method) \(id)")
                }
            }
            #expect(try await person.get("/things/\(thing)/psk").text("created_at") == made.text("created_at"))
            for id in ["x", "..", "%00", "null"] {
                #expect((400..<500).contains(try await person.get("/things/\(id)/psk").status))
            }
        }
    }

    @Test(
        arguments: [
            (["identity": ""], 422, "psk-identity-length"),
            (["identity": .string(String(repeating: "é", count: 65))], 422, "psk-identity-length"),
            (["identity": "a\nb"], 422, "psk-identity-characters"),
            (["identity": "a\u{85}b"], 422, "psk-identity-characters"),
            (["identity": "\u{7F}"], 422, "psk-identity-characters"), (["identity": 7], 400, "wrong-type"),
            (["secret": "0f0f"], 422, "psk-secret-length"), (["secret": ""], 422, "psk-secret-length"),
            (["secret": .string(String(repeating: "0f", count: 65))], 422, "psk-secret-length"),
            (["secret": "a secret that is none"], 422, "psk-secret-encoding"),
            (["secret": .string(own), "encoding": "rot13"], 400, "invalid-encoding"),
            (["secret": "!", "encoding": "hex"], 422, "psk-secret-encoding"), ([1], 400, "wrong-type"),
        ] as [(JSONValue, Int, String)])
    func whatCannotBeAKeyIsRefused(body: JSONValue, status: Int, reason: String) async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            let answer = try await person.put("/things/\(thing)/psk", body)
            #expect(answer.status == status)
            #expect(answer.reason == reason)
            #expect(try await person.get("/things/\(thing)/psk").status == 404)
        }
    }

    @Test func withoutAKeyToEncryptWithNoneIsMade() async throws {
        try await withThings(hasSecretsKey: false) { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            let answer = try await person.put("/things/\(thing)/psk", [:])
            #expect(answer.status == 503)
            #expect(answer.reason == "no-secrets-key")
            #expect(try await person.get("/things/\(thing)/psk").reason == "unknown-psk")
        }
    }

    @Test func eachChangeIsAnnouncedWithWhoDidIt() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            let bus = try await stack.adapterBus()
            let subscription = try await bus.subscribe("events.things.thing.*", queueGroup: nil)
            _ = try await person.put("/things/\(thing)/psk", ["identity": .string("event \(thing)")])
            _ = try await person.put("/things/\(thing)/psk", [:])
            _ = try await person.delete("/things/\(thing)/psk")
            // Nothing was there to be removed.
            _ = try await person.delete("/things/\(thing)/psk")
            _ = try await person.delete("/things/\(thing)")
            var heard: [String] = []
            for try await batch in subscription.batches {
                for message in batch {
                    let event = try JSONDecoder().decode(
                        EntityEvent.self, from: Data(message.payload.readableBytesView))
                    guard event.thing == thing else { continue }
                    heard.append(event.what)
                    #expect(event.actor == person.user)
                    #expect(event.origin != nil)
                }
                if heard.last == "removed" { break }
            }
            #expect(heard == ["psk-changed", "psk-changed", "psk-removed", "removed"])
            await bus.close()
        }
    }

    /// What is in the database is no use without the file, and a change of the file's key keeps it readable.
    @Test func theSecretIsEncryptedAndTheKeyCanBeReplaced() async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let (first, second) = (try await person.makeThing().id, try await person.makeThing().id)
            for thing in [first, second] {
                #expect(try await person.put("/things/\(thing)/psk", ["secret": .string(Self.own)]).status == 200)
            }
            let pool = PostgresPool(
                configuration: PostgresConfiguration(
                    url: stack.databaseURL, schema: SQLIdentifier(checking: "things")))
            defer { pool.close() }
            func rows() async throws -> [(keyID: [UInt8], sealed: [UInt8], version: Int64)] {
                try await pool.execute("SELECT key_id, sealed, version FROM thing_psks ORDER BY thing").map { row in
                    let (keyID, sealed, version) = try row.decode((ByteBuffer, ByteBuffer, Int64).self)
                    return (Array(buffer: keyID), Array(buffer: sealed), version)
                }
            }
            let before = try await rows()
            #expect(before.count == 2)
            for row in before { #expect(!Data(row.sealed).contains(Data(repeating: 0x0F, count: 8))) }

            let adapter = try await stack.bus(named: "coap-adapter")
            func secret(_ thing: ThingID) async throws -> String? {
                let response: PreSharedKeyLookupResponse = try await adapter.call(
                    Subjects.lookUpPreSharedKey, PreSharedKeyLookupRequest(thing: thing))
                return response.key?.secret
            }
            let clear = Data(repeating: 0x0F, count: 16).base64EncodedString()
            #expect(try await secret(first) == clear)

            // A new key before the old one: after a start all are encrypted with it, and the same keys as before to everybody.
            func restart(with text: String) async throws -> ServiceProcess {
                try Data(text.utf8).write(to: URL(fileURLWithPath: stack.secretsKeyPath))
                let again = try stack.things.startAgain()
                try await again.wait("things is healthy") { try await stack.isHealthy() }
                return again
            }
            await stack.things.kill()
            let secondProcess = try await restart(with: ThingsStack.secretsKey(2) + ThingsStack.secretsKey(1))
            try await eventually("all are encrypted anew") {
                try await rows().allSatisfy { $0.keyID != before[0].keyID }
            }
            #expect(try await rows().map(\.version) == before.map(\.version))
            #expect(try await secret(first) == clear)
            await secondProcess.kill()
            let thirdProcess = try await restart(with: ThingsStack.secretsKey(2))
            #expect(try await secret(first) == clear)
            #expect(try await secret(second) == clear)

            // One thing's ciphertext is no other's, and what cannot be decrypted is nobody's.
            try await pool.execute(
                """
                UPDATE thing_psks SET sealed = (SELECT sealed FROM thing_psks WHERE thing = \(first)) WHERE thing = \(second)
                """)
            #expect(try await secret(second) == nil)
            #expect(try await secret(first) == clear)
            await thirdProcess.kill()
            let lastProcess = try await restart(with: ThingsStack.secretsKey(3))
            #expect(try await secret(first) == nil)
            await lastProcess.kill()
            await adapter.close()
        }
    }
}
