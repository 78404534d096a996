// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Testing

@testable import AdapterKit

@Suite struct CredentialTests {
    @Test(arguments: ["Thing abc:d", "thing abc:d", "Client abc:d", "CLIENT   abc:d", "abc:d"])
    func aKeyIsReadFromEveryScheme(header: String) throws {
        let credential = try Credential.parse(authorization: header)
        #expect(credential.key == "abc:d")
        #expect(credential.claimedThing == nil)
    }

    @Test func basicCarriesTheKeyAsPassword() throws {
        let thing = ThingID.new()
        func header(_ text: String) -> String { "Basic " + Data(text.utf8).base64EncodedString() }
        let named = try Credential.parse(authorization: header("\(thing):a:b"))
        #expect(named.key == "a:b")
        #expect(named.claimedThing == thing)
        let anonymous = try Credential.parse(authorization: header("whoever:key"))
        #expect(anonymous.key == "key")
        #expect(anonymous.claimedThing == nil)
        #expect(try Credential.parse(authorization: header(":key")).key == "key")
    }

    @Test(
        arguments: [
            (nil, "missing-credential"), ("", "missing-credential"), ("Thing ", "missing-credential"),
            ("Digest x", "malformed-credential"), ("Basic !!!", "malformed-credential"),
            ("Basic bm9jb2xvbg==", "malformed-credential"), ("Basic //86/w==", "malformed-credential"),
            ("Basic dXNlcjo=", "missing-credential"),
        ] as [(String?, String)])
    func whatIsNoCredentialIsRefused(header: String?, reason: String) {
        do throws(ServiceError) {
            _ = try Credential.parse(authorization: header)
            Issue.record("\(header ?? "nil") was accepted")
        } catch {
            #expect(error.kind == .unauthenticated)
            #expect(error.reason == reason)
        }
    }

    @Test func aHashIsTheKeysSHA256() {
        // FIPS 180-2, appendix B.1.
        #expect(
            KeyHash(of: "abc").hexadecimal
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func fingerprintsTellKeysApartAndProcessesToo() {
        let fingerprinter = KeyFingerprinter()
        #expect(fingerprinter.fingerprint("a") == fingerprinter.fingerprint("xa".dropFirst()))
        #expect(fingerprinter.fingerprint("a") != fingerprinter.fingerprint("b"))
        #expect(fingerprinter.fingerprint("a") != KeyFingerprinter().fingerprint("a"))
    }
}
