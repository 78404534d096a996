// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Identity
import Testing

@Suite struct PasswordHasherTests {
    private let hasher = PasswordHasher(cost: .weakForTests)

    @Test func theRightPasswordVerifiesAndOthersDoNot() async throws {
        let encoded = try await hasher.hash("correct horse")
        #expect(encoded.hasPrefix("$scrypt$ln=10,r=8,p=1$"))
        #expect(try await hasher.verify("correct horse", against: encoded))
        #expect(try await !hasher.verify("correct horsf", against: encoded))
        #expect(try await !hasher.verify("", against: encoded))
        #expect(try await hasher.hash("correct horse") != encoded, "each hash has a salt of its own")
    }

    @Test func nothingIsTheDecoysPassword() async throws {
        #expect(try await !hasher.verify("anything", against: hasher.decoy))
        #expect(try await !hasher.verify("", against: hasher.decoy))
        #expect(!hasher.needsRehash(hasher.decoy))
        #expect(PasswordHasher(cost: .weakForTests).decoy != hasher.decoy)
    }

    /// Counted, not timed.
    @Test func anOlderHashTakesAsLongAsOneOfToday() async throws {
        let encoded = try await hasher.hash("correct horse")
        let dearer = PasswordHasher(cost: try #require(PasswordHasher.Cost(log2N: 11, blockSize: 8, parallelism: 3)))
        #expect(try await dearer.verify("correct horse", against: encoded))
        #expect(dearer.computations == 6)
        #expect(try await !dearer.verify("wrong horse", against: encoded))
        #expect(dearer.computations == 12)
        #expect(try await !dearer.verify("correct horse", against: dearer.decoy))
        #expect(dearer.computations == 13)
        // What was dearer once stays so.
        let dear = try await dearer.hash("correct horse")
        #expect(try await PasswordHasher(cost: .weakForTests).verify("correct horse", against: dear))
    }

    @Test func aDamagedHashIsAnErrorAndTakesNoMemory() async throws {
        let damaged = [
            "", "$scrypt$", "$scrypt$ln=40,r=8,p=1$AAAA$AAAA", "$scrypt$ln=18,r=16,p=16$AAAA$AAAA",
            "$scrypt$ln=10,r=8,p=1$AAAA$AAAA", "$argon2$ln=10,r=8,p=1$AAAA$AAAA", "$scrypt$ln=-1,r=8,p=1$AAAA$AAAA",
        ]
        for encoded in damaged {
            await #expect(throws: ServiceError.self) { try await hasher.verify("x", against: encoded) }
        }
    }

    @Test func anOlderCostAsksForRehash() async throws {
        let encoded = try await hasher.hash("correct horse")
        #expect(!hasher.needsRehash(encoded))
        #expect(PasswordHasher(cost: .standard).needsRehash(encoded))
        #expect(try await PasswordHasher(cost: .standard).verify("correct horse", against: encoded))
    }

    /// What the library computes is scrypt (RFC 7914), and the encoding is read as it is written.
    @Test func aHashFromElsewhereVerifies() async throws {
        // N = 1024, r = 8, p = 16 with a salt of 16 bytes, computed by Python's hashlib.scrypt.
        let encoded = "$scrypt$ln=10,r=8,p=16$MDEyMzQ1Njc4OWFiY2RlZg$\(Self.reference)"
        #expect(try await hasher.verify("password", against: encoded))
        #expect(try await !hasher.verify("Password", against: encoded))
    }

    static let reference = "035RvmjQVNYRaplCLrCq4y48A_8XQV5gMkdoY8ftvyA"

    @Test func secretsAreRandomAndComparedWhole() {
        let secret = SecretKey.generate()
        #expect(secret.utf8.count == 43)
        #expect(Base64URL.decode(secret)?.count == 32)
        #expect(SecretKey.generate() != secret)
        // FIPS 180-2 appendix B.1.
        #expect(SecretKey.hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(SecretKey.areEqual([1, 2, 3], [1, 2, 3]))
        #expect(!SecretKey.areEqual([1, 2, 3], [1, 2, 4]))
        #expect(!SecretKey.areEqual([1, 2, 3], [1, 2]))
    }
}
