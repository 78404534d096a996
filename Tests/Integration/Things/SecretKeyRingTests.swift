// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

@testable import ThingsService

/// The encryption of secrets, without a database.
@Suite struct SecretKeyRingTests {
    private let thing = ThingID.new()
    private let secret: [UInt8] = Array("a secret of 23 bytes, ok".utf8)

    private func ring(_ numbers: UInt8...) throws -> SecretKeyRing {
        try SecretKeyRing(text: numbers.map(ThingsStack.secretsKey).joined())
    }

    private func reason(_ body: () throws(ServiceError) -> [UInt8]) -> String? {
        do throws(ServiceError) {
            _ = try body()
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func whatIsSealedOpensForTheSameThingOnly() throws {
        let ring = try ring(1)
        let sealed = try ring.seal(secret, of: thing)
        #expect(try ring.open(sealed, of: thing) == secret)
        #expect(sealed.keyID == ring.currentKeyID && sealed.keyID.count == SecretKeyRing.keyIDBytes)
        #expect(sealed.box.count == secret.count + 12 + 16)
        #expect(!Data(sealed.box).contains(Data(secret.prefix(8))))
        // Nonces are not used twice.
        #expect(try ring.seal(secret, of: thing).box != sealed.box)
        #expect(reason { () throws(ServiceError) in try ring.open(sealed, of: .new()) } == "secret-damaged")
        for index in [0, 12, sealed.box.count - 1] {
            var damaged = sealed
            damaged.box[index] ^= 1
            #expect(reason { () throws(ServiceError) in try ring.open(damaged, of: thing) } == "secret-damaged")
        }
        for count in [0, 11, 27] {
            var short = sealed
            short.box = Array(sealed.box.prefix(count))
            #expect(reason { () throws(ServiceError) in try ring.open(short, of: thing) } == "secret-damaged")
        }
    }

    @Test func aReplacedKeyStillOpensAndDoesNotSeal() throws {
        let former = try ring(1)
        let sealed = try former.seal(secret, of: thing)
        let both = try ring(2, 1)
        #expect(try both.open(sealed, of: thing) == secret)
        let anew = try both.seal(secret, of: thing)
        #expect(anew.keyID == (try ring(2).currentKeyID))
        #expect(try ring(2).open(anew, of: thing) == secret)
        #expect(reason { () throws(ServiceError) in try former.open(anew, of: thing) } == "secret-key-unknown")
    }

    @Test func aFileMayHoldCommentsAndEitherEncoding() throws {
        let bytes = Data(repeating: 0xFB, count: 32)
        let forms = [
            bytes.base64EncodedString(), bytes.base64EncodedString().replacing("+", with: "-"),
            bytes.base64EncodedString().replacing("=", with: ""), String(repeating: "fb", count: 32),
            String(repeating: "FB", count: 32),
        ]
        let identifiers = try forms.map { form in
            try SecretKeyRing(text: "# made 2026-11-30\r\n\n  \(form)  \r\n").currentKeyID
        }
        #expect(Set(identifiers).count == 1)
    }

    @Test(arguments: [
        ("", "there is no key in it"), ("# nothing\n\n", "there is no key in it"),
        ("secret\n", "line 1 is no key of 32 bytes in base64 or hexadecimal"),
        ("# a\nAAAA\n", "line 2 is no key of 32 bytes in base64 or hexadecimal"),
        (String(repeating: String(repeating: "AB", count: 32) + "\n", count: 2), "line 2 repeats a key"),
        (
            (0..<17).map { String(repeating: "0", count: 62) + "\($0 + 10)\n" }.joined(),
            "17 keys, at most 16 are possible"
        ),
    ])
    func aFileThatHoldsNoKeysIsRefused(text: String, problem: String) throws {
        #expect(throws: SecretKeyRing.Malformed(description: problem)) { try SecretKeyRing(text: text) }
    }

    @Test func theServiceRefusesToStartWithoutTheFileThatIsNamed() async throws {
        let directory = try TemporaryDirectory("secrets")
        try Data("no key\n".utf8).write(to: URL(fileURLWithPath: directory.file("bad")))
        for (name, problem) in [("missing", "cannot be read"), ("bad", "line 1 is no key")] {
            let log = directory.file("\(name).log")
            let things = try ServiceProcess.start(
                "things", arguments: ["--check-config"],
                environment: [
                    "DATABASE_URL": "postgresql:///none", "MARTLET_THINGS_SECRETS_KEY_FILE": directory.file(name),
                ], log: log)
            #expect(try await things.waitForExit() == .exited(1))
            let text = try String(contentsOfFile: log, encoding: .utf8)
            #expect(text.contains("'secrets.key.file'") && text.contains(problem), "\(text)")
        }
    }

    @Test func secretsAreReadInEitherEncoding() {
        #expect(SecretText.bytes("00ff10") == [0, 255, 16])
        #expect(SecretText.bytes("AP8Q") == [0, 255, 16])
        #expect(SecretText.bytes("-_-_") == [0xFB, 0xFF, 0xBF])
        #expect(SecretText.bytes("AA==") == [0])
        #expect(SecretText.bytes("AA") == [0xAA])
        #expect(SecretText.bytes("AA", as: .base64) == [0])
        #expect(SecretText.bytes("abcd", as: .base64) == [0x69, 0xB7, 0x1D])
        for text in ["a b", "zz=", "é", "A", "AAAAA", "===="] {
            #expect(SecretText.bytes(text) == nil, "\(text)")
        }
        #expect(SecretText.bytes("AP8Q", as: .hexadecimal) == nil)
        #expect(SecretText.hexadecimal([0, 255, 16]) == "00ff10")
    }
}
