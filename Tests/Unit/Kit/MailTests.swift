// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Testing

@testable import Mail

/// What a mail looks like on the wire, and what cannot become a part of it.
@Suite struct MailTests {
    private let from = MailAddress("martlet@example.com")!
    private let to = MailAddress("ada@example.com")!

    @Test func addressesHoldNothingThatEndsAHeaderOrACommand() {
        for good in ["a@b", "a.b+c@example.co.uk", "O'Brien@x-y.z", String(repeating: "a", count: 64) + "@b"] {
            #expect(MailAddress(good)?.description == good)
        }
        let bad = [
            "", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b\r\nRCPT TO:<x@y>", "a@b\n", "a\u{0}@b", "a@b>", "<a@b",
            "a..b@c", ".a@b", "a.@b", "a@b..c", "a@.b", "\"a b\"@c", "a@[127.0.0.1]", "é@b", "a@é", "a,b@c", "a@b,c@d",
            String(repeating: "a", count: 65) + "@b", "a@" + String(repeating: "b", count: 253),
        ]
        for text in bad { #expect(MailAddress(text) == nil, "\(text)") }
    }

    @Test func aTextStaysInItsHeader() throws {
        let hostile = "x\r\nBcc: everybody@example.com\r\n\r\nbody"
        let message = MailMessage(from: from, fromName: hostile, to: to, subject: hostile, text: "t")
        let wire = message.wireForm(identifier: EventID.new(), time: 0)
        let parts = wire.components(separatedBy: "\r\n\r\n")
        #expect(parts.count == 2 && parts[1] == "t\r\n")
        #expect(!wire.contains("Bcc"))
        let names = parts[0].components(separatedBy: "\r\n").filter { !$0.hasPrefix(" ") }
            .map { $0.split(separator: ":")[0] }
        #expect(
            names == [
                "Date", "From", "To", "Message-ID", "Subject", "MIME-Version", "Content-Type",
                "Content-Transfer-Encoding", "Auto-Submitted",
            ])
        #expect(wire.hasPrefix("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"))
    }

    /// Decodes encoded words as a receiver does: white space between two of them goes.
    private func decode(_ header: String) -> String {
        header.components(separatedBy: "\r\n ").map { word in
            let base64 = word.dropFirst("=?UTF-8?B?".utf8.count).dropLast(2)
            return String(decoding: Data(base64Encoded: String(base64)) ?? Data(), as: UTF8.self)
        }.joined()
    }

    @Test func encodedWordsAreShortAndWhole() {
        for text in ["", "a", "Märtlet", String(repeating: "é👩‍👩‍👧‍👦", count: 40), String(repeating: "a", count: 500)] {
            let encoded = EncodedWord.encode(text)
            #expect(decode(encoded) == text)
            for word in encoded.components(separatedBy: "\r\n ") {
                #expect(word.utf8.count <= 75 && word.hasPrefix("=?UTF-8?B?") && word.hasSuffix("?="))
            }
        }
    }

    /// Decodes as RFC 2045 section 6.7 says.
    private func decodeBody(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.replacing("=\r\n", with: "").replacing("\r\n", with: "\n").utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "=") else {
                bytes.append(byte)
                continue
            }
            bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        return bytes
    }

    @Test func bodiesComeBackAsTheyWere() {
        let texts = [
            "", "\n", "a b \n c\t\n", "=3D", ".\n..\n.", String(repeating: "x", count: 200),
            String(repeating: "é ", count: 100), "From here\u{0}\u{7F}", "a\r\nb",
        ]
        for text in texts {
            let encoded = QuotedPrintable.encode(text)
            #expect(decodeBody(encoded) == Array(text.utf8), "\(text)")
            for line in encoded.components(separatedBy: "\r\n") {
                #expect(line.utf8.count <= 76 && !line.hasSuffix(" ") && line.utf8.allSatisfy { 0x20...0x7E ~= $0 })
            }
        }
    }

    @Test func datesAreThoseOfRFC5322() {
        #expect(MailDate.text(1_800_000_000_000_000_000) == "Fri, 15 Jan 2027 08:00:00 +0000")
        #expect(MailDate.text(951_782_400_000_000_000) == "Tue, 29 Feb 2000 00:00:00 +0000")
    }

    @Test func onlyHostsBecomeAPartOfAnAddress() {
        for good in ["mail.example.com", "127.0.0.1", "::1", "relay-1"] {
            #expect(SMTPConfiguration.problem(host: good) == nil)
        }
        for bad in ["", "a/b", "a b", "a@b", "a?b", "a#b", "é", "a\r\nb"] {
            #expect(SMTPConfiguration.problem(host: bad) != nil, "\(bad)")
        }
    }
}
