// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Foundation
import SwiftASN1
import Testing
import X509

/// Which thing a certificate names.
struct ClientCertificateTests {
    private let thing = ThingID.new()

    private func read(_ issued: ClientAuthority.Issued) throws -> ClientCertificate {
        let pem = try String(contentsOfFile: issued.certificate, encoding: .utf8)
        return try ClientCertificate(der: PEMDocument(pemString: pem).derBytes)
    }

    @Test func byURIOrCommonName() throws {
        let authority = try ClientAuthority()
        #expect(try read(authority.issue(uris: ["urn:uuid:\(thing)"])).thing == thing)
        #expect(try read(authority.issue(uris: ["URN:UUID:\(thing.description.uppercased())"])).thing == thing)
        #expect(try read(authority.issue(commonName: thing.description)).thing == thing)
        // A URI goes before the common name; others are not looked at.
        let other = ThingID.new().description
        #expect(try read(authority.issue(commonName: other, uris: ["urn:uuid:\(thing)"])).thing == thing)
        let device = try authority.issue(commonName: thing.description, uris: ["https://example.com/device"])
        #expect(try read(device).thing == thing)
    }

    @Test func noneOrSeveralAreNobody() throws {
        let authority = try ClientAuthority()
        #expect(try read(authority.issue()).thing == nil)
        #expect(try read(authority.issue(commonName: "")).thing == nil)
        #expect(try read(authority.issue(uris: ["urn:uuid:", "urn:uuid:x"])).thing == nil)
        let two = ["urn:uuid:\(thing)", "urn:uuid:\(ThingID.new())"]
        #expect(try read(authority.issue(commonName: thing.description, uris: two)).thing == nil)
        #expect(throws: (any Error).self) { try ClientCertificate(der: [0x30, 0x03, 1, 2, 3]) }
        #expect(throws: (any Error).self) { try ClientCertificate(der: []) }
    }

    @Test func itsEndIsRead() throws {
        let before = WallClock.system.now()
        let authority = try ClientAuthority()
        let end = try read(authority.issue(seconds: 600)).expiresAt
        // A certificate has whole seconds.
        #expect(end > before + 598_000_000_000 && end <= WallClock.system.now() + 601_000_000_000)
    }
}
