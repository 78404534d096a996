// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Mail
import TestKit
import Testing

/// Mails as a real server receives them.
@Suite(.serialized) struct MailTransportTests {
    @Test func dotsAndLongLinesArriveAsTheyWere() async throws {
        let server = try await MailServer.start()
        let address = try #require(MailAddress("martlet@example.com"))
        let transport = SMTPTransport(
            SMTPConfiguration(host: "127.0.0.1", port: server.port, security: .none, helloName: "example.com"))
        let text = ".\n..\n.\r\nQUIT\n\(String(repeating: "x", count: 2_000))\n."
        let message = MailMessage(from: address, fromName: "", to: address, subject: "dots", text: text)
        let wire = message.wireForm(identifier: EventID.new(), time: WallClock.system.now())
        try await transport.send(wire, from: address, to: address)
        let mail = try #require(try await server.mails(1).first)
        #expect(mail.content == wire)
        await server.stop()
    }

    @Test func aWrongPasswordIsWorthAnotherTryAndIsNotLogged() async throws {
        let directory = try TemporaryDirectory("mail-keys")
        let (certificate, key) = try await MailServer.certificate(in: directory)
        let server = try await MailServer.start([certificate, key, "relay", "right"])
        let address = try #require(MailAddress("martlet@example.com"))
        let transport = SMTPTransport(
            SMTPConfiguration(
                host: "127.0.0.1", port: server.port, security: .starttls, username: "relay", password: "wrong one",
                authorityFile: certificate, helloName: "example.com"))
        let error = await #expect(throws: MailError.self) {
            try await transport.send("Subject: x\r\n\r\nx\r\n", from: address, to: address)
        }
        #expect(error?.kind == .deferred && error?.description.contains("wrong one") == false)
        #expect(try server.mails().isEmpty)
        await server.stop()
    }
}
